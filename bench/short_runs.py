"""Leak test: the memory of a worker must stay level while it runs 20,000 short workflows."""

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
"""Maximum ratio of the final memory to that with a full cache; tolerates fluctuations of the allocator."""


async def run_many(client: Client, queue: str, count: int) -> None:
    """Run workflows to completion, `IN_FLIGHT` at a time."""
    numbers = iter(range(count))

    async def lane() -> None:
        for _ in numbers:
            result = await client.execute_workflow("Short", SIZE, id=str(uuid.uuid4()), task_queue=queue)
            assert result == [SIZE, True], result

    await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))


async def measure(runs: int) -> bool:
    """Print the memory after each batch; returns true if it stays level."""
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
                sys.exit(f"the worker ended with exit code {worker.returncode}")
    growth = sizes[-1] / sizes[1]
    reached = growth <= MAX_GROWTH
    print(f"growth since the second batch {growth:.2f}   goal <= {MAX_GROWTH}{'' if reached else '  MISSED'}")
    return reached


def main() -> None:
    """Run the test; exit with 1 if memory grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 runs only")
    if not asyncio.run(measure(2_000 if parser.parse_args().quick else 20_000)):
        sys.exit(1)


if __name__ == "__main__":
    main()
