"""What many short runs leave behind: the memory of one worker while 20,000 workflows go through it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import sysconfig
import time
import uuid
from pathlib import Path

import psutil
from temporalio.client import Client

from assay.temporal.dev_server.server import DevServer

ASSAY = os.path.join(sysconfig.get_path("scripts"), "assay")
WORKER = Path(__file__).parent / "short_runs.lua"
IN_FLIGHT = 40
BATCHES = 10
SIZE = 200
MAX_GROWTH = 1.15
"""Memory at the end to that when the cache has filled: the allocator's own ups and downs are within it."""


async def run_many(client: Client, queue: str, count: int) -> None:
    """Run workflows to their ends, some at a time."""
    left = iter(range(count))

    async def lane() -> None:
        for _ in left:
            result = await client.execute_workflow("Short", SIZE, id=str(uuid.uuid4()), task_queue=queue)
            assert result == [SIZE, True], result

    await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))


async def measure(runs: int) -> bool:
    """Print the memory after each batch; returns whether it is level."""
    with DevServer(ui=False) as server:
        client = await Client.connect(server.address)
        queue = str(uuid.uuid4())
        environment = {**os.environ, "TEMPORAL_ADDRESS": server.address}
        worker = await asyncio.create_subprocess_exec(ASSAY, "run", str(WORKER), queue, env=environment)
        try:
            sizes = []
            begin = time.perf_counter()
            for batch in range(1, BATCHES + 1):
                await run_many(client, queue, runs // BATCHES)
                sizes.append(psutil.Process(worker.pid).memory_full_info().uss / 2**20)
                rate = batch * (runs // BATCHES) / (time.perf_counter() - begin)
                print(f"{batch * (runs // BATCHES):>7} runs {sizes[-1]:>8.1f} MiB {rate:>7.0f} runs/s", flush=True)
        finally:
            worker.terminate()
            if await worker.wait() != 0:
                sys.exit(f"the worker ended with {worker.returncode}")
    growth = sizes[-1] / sizes[1]
    reached = growth <= MAX_GROWTH
    print(f"growth since the second batch {growth:.2f}   goal <= {MAX_GROWTH}{'' if reached else '  MISSED'}")
    return reached


def main() -> None:
    """Measure and print; fails when memory grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 runs only")
    if not asyncio.run(measure(2_000 if parser.parse_args().quick else 20_000)):
        sys.exit(1)


if __name__ == "__main__":
    main()
