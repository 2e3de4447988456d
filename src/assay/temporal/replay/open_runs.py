"""Replay of the open runs on a worker's task queue."""

from __future__ import annotations

from collections.abc import AsyncIterator

from assay.temporal.client.connect import connect_client
from assay.temporal.replay import sources
from assay.temporal.replay.engine import Replay, ReplayResult
from assay.temporal.worker.worker import Worker

_NOT_PINNED = "(TemporalWorkflowVersioningBehavior IS NULL OR TemporalWorkflowVersioningBehavior != 'Pinned')"


async def replay_open_runs(
    tool: str, worker: Worker, *, at_most: int | None = None, is_new_version: bool = False
) -> AsyncIterator[ReplayResult]:
    """Replay the open runs on a worker's task queue against its code, without starting it. Raises AssayError.

    Args:
        tool: Name of the command, for messages.
        worker: The worker, with its connection options.
        at_most: Maximum number of runs; None for all.
        is_new_version: Skip runs pinned to a deployment version, if the worker has one: they stay on their workers.
    """
    options = worker.options
    if not options.all_workflows():
        return
    client = await connect_client(tool, options, permissions=worker.permissions)
    query = f"TaskQueue = '{options.task_queue}' AND ExecutionStatus = 'Running'"
    if is_new_version and options.deployment is not None:
        query = f"{query} AND {_NOT_PINNED}"
    async for result in Replay([worker]).run(sources.from_server(client, query, at_most)):
        yield result
