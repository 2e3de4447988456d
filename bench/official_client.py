"""Start 1,000 workflows with the official Python SDK, each in a separate task, 100 at a time, like client.lua."""

from __future__ import annotations

import asyncio
import os
import sys

from temporalio.client import Client


async def main(queue: str) -> None:
    """Start the workflows."""
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])

    async def start(number: int) -> None:
        await client.start_workflow(
            "Nobody",
            {"number": number, "item": "widget", "count": 3},
            id=f"{queue}-{number}",
            task_queue=queue,
        )

    for batch in range(10):
        await asyncio.gather(*(start(batch * 100 + i) for i in range(1, 101)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
    os._exit(0)  # skip interpreter teardown, during which the SDK may crash
