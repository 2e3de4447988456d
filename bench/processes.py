"""Multi-process benchmark: throughput of CPU-bound activities with several worker processes, compared with one.

The Temporal server and this client share the cores with the workers, so each activity computes long enough to make
their share small.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import sysconfig
import time
import uuid
from pathlib import Path
from statistics import median

from temporalio.client import Client

from assay.temporal.dev_server.server import DevServer

ASSAY = os.path.join(sysconfig.get_path("scripts"), "assay")
WORKER = Path(__file__).parent / "processes.lua"
PROCESSES = 2
WORKFLOWS = 8
STEPS = 3
ROUNDS = 60_000_000
"""Iterations of an activity, about half a second on one core."""
MIN_RATIO = 1.8
BUSY = "for _ in range(100_000_000): pass"


async def rate(server: DevServer, processes: int) -> float:
    """Return the activities per second of a warmed-up worker with the given number of processes."""
    client = await Client.connect(server.address)
    queue = str(uuid.uuid4())
    environment = {**os.environ, "TEMPORAL_ADDRESS": server.address}
    options = () if processes == 1 else ("--processes", str(processes))
    worker = await asyncio.create_subprocess_exec(ASSAY, "run", *options, str(WORKER), queue, env=environment)

    async def run(steps: int) -> None:
        argument = {"steps": steps, "rounds": ROUNDS if steps > 1 else ROUNDS // 20}
        await asyncio.gather(
            *(
                client.execute_workflow("Compute", argument, id=str(uuid.uuid4()), task_queue=queue)
                for _ in range(WORKFLOWS)
            )
        )

    try:
        await run(1)
        await asyncio.sleep(2)  # wait until the other processes have started
        await run(1)
        begin = time.perf_counter()
        await run(STEPS)
        return WORKFLOWS * STEPS / (time.perf_counter() - begin)
    finally:
        worker.terminate()
        if await worker.wait() != 0:
            sys.exit(f"the worker ended with exit code {worker.returncode}")


async def machine_ratio() -> float:
    """Return the speedup that the machine gives independent processes."""

    async def busy(processes: int) -> float:
        begin = time.perf_counter()
        children = [await asyncio.create_subprocess_exec(sys.executable, "-c", BUSY) for _ in range(processes)]
        for child in children:
            await child.wait()
        return processes / (time.perf_counter() - begin)

    one, several = await busy(1), await busy(PROCESSES)
    return several / one


async def measure(repeats: int) -> bool:
    """Measure and print the ratios; returns true if the median reaches the goal."""
    ratios = []
    with DevServer(ui=False) as server:
        for _ in range(repeats):
            load = os.getloadavg()[0]
            machine = await machine_ratio()
            one, several = await rate(server, 1), await rate(server, PROCESSES)
            ratios.append(several / one)
            shown = f"1 process {one:5.2f} activities/s   {PROCESSES} processes {several:5.2f}   ratio {ratios[-1]:.2f}"
            machine_text = f"(independent processes {machine:.2f}, load {load:.1f} on {os.cpu_count()} cores)"
            print(f"{shown}   {machine_text}", flush=True)
    reached = median(ratios) >= MIN_RATIO
    print(f"median ratio {median(ratios):.2f}   goal >= {MIN_RATIO}{'' if reached else '  MISSED'}")
    return reached


def main() -> None:
    """Run the benchmark; exit with 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure once")
    if not asyncio.run(measure(1 if parser.parse_args().quick else 5)):
        sys.exit(1)


if __name__ == "__main__":
    main()
