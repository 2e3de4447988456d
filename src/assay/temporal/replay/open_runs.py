"""The open runs of a worker's task queue, replayed against its workflows."""

from __future__ import annotations

from collections.abc import AsyncIterator

from assay.temporal.client.connect import connect_client
from assay.temporal.replay import sources
from assay.temporal.replay.engine import Outcome, Replay
from assay.temporal.worker.worker import Worker

_NOT_PINNED = "(TemporalWorkflowVersioningBehavior IS NULL OR TemporalWorkflowVersioningBehavior != 'Pinned')"


async def replay_open_runs(
    tool: str, worker: Worker, *, at_most: int | None = None, is_new_version: bool = False
) -> AsyncIterator[Outcome]:
    """Replay what is open on the server of a worker that was only read. Raises AssayError.

    Args:
        tool: Who asks, for messages.
        worker: The worker, with its connection.
        at_most: The number of runs after which it stops; None: all.
        is_new_version: Leave out runs that are pinned to a version of a deployment, if the worker has one: they stay
            with the workers that they have.
    """
    options = worker.options
    if not options.all_workflows():
        return
    client = await connect_client(tool, options, permissions=worker.permissions)
    query = f"TaskQueue = '{options.task_queue}' AND ExecutionStatus = 'Running'"
    if is_new_version and options.deployment is not None:
        query = f"{query} AND {_NOT_PINNED}"
    async for outcome in Replay([worker]).run(sources.from_server(client, query, at_most)):
        yield outcome
