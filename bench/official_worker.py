"""The workflows of the worker benchmark with the official Python SDK; worker.lua has the same workflows.

`official_worker.py TASK_QUEUE` runs a worker; `official_worker.py --replay HISTORY.json…` replays histories.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, Worker

TIMEOUT = timedelta(seconds=300)


@activity.defn
async def echo(order: dict[str, Any]) -> dict[str, Any]:
    return order


@activity.defn
async def nap(seconds: float) -> None:
    await asyncio.sleep(seconds)


@workflow.defn
class Steps:
    @workflow.run
    async def run(self, steps: int) -> dict[str, Any] | None:
        order = None
        for step in range(1, steps + 1):
            item = {"step": step, "item": "widget", "count": 3}
            order = await workflow.execute_activity(echo, item, start_to_close_timeout=TIMEOUT)
        return order


@workflow.defn
class Nap:
    @workflow.run
    async def run(self, seconds: float) -> None:
        await workflow.execute_activity(nap, seconds, start_to_close_timeout=TIMEOUT)


@workflow.defn
class Wait:
    def __init__(self) -> None:
        self._signals: list[Any] = []

    @workflow.run
    async def run(self) -> Any:
        await workflow.wait_condition(lambda: bool(self._signals))
        return self._signals[0]

    @workflow.signal
    def go(self, value: Any) -> None:
        self._signals.append(value)


WORKFLOWS = [Steps, Nap, Wait]


async def poll(task_queue: str) -> None:
    """Run the worker until SIGTERM."""
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Worker(client, task_queue=task_queue, workflows=WORKFLOWS, activities=[echo, nap]):
        await stop.wait()


@functools.cache
def read(path: str) -> WorkflowHistory:
    """Read a history."""
    return WorkflowHistory.from_json("replayed", Path(path).read_text(encoding="utf-8"))


async def replay(histories: list[str]) -> None:
    """Replay the histories; raises if one does not match."""
    replayer = Replayer(workflows=WORKFLOWS)
    for path in histories:
        await replayer.replay_workflow(read(path))


def main() -> None:
    if sys.argv[1] == "--replay":
        asyncio.run(replay(sys.argv[2:]))
    else:
        asyncio.run(poll(sys.argv[1]))
    os._exit(0)  # skip interpreter teardown, during which the SDK may crash


if __name__ == "__main__":
    main()
