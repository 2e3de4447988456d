"""Replays the histories of a test's runs at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from temporalio.client import Client, WorkflowHistory

from assay.temporal.replay.engine import Replay, ReplayResult
from assay.temporal.replay.integrity import IncompleteHistoryError, check
from assay.temporal.worker.worker import Worker


async def mismatches(client: Client, workers: Sequence[Worker], runs: Sequence[tuple[str, str]]) -> list[ReplayResult]:
    """Replay runs and their children in new states; return the results that do not match the history.

    `runs`: the workflow id and run id of each run.
    """
    if not runs:
        return []
    replay = Replay(workers)
    return [result async for result in replay.run(_histories(client, replay, runs)) if result.divergence]


async def _histories(client: Client, replay: Replay, runs: Sequence[tuple[str, str]]) -> AsyncIterator[WorkflowHistory]:
    pending = list(runs)
    seen = set(pending)
    while pending:
        workflow_id, run_id = pending.pop(0)
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        for event in history.events:
            child = event.child_workflow_execution_started_event_attributes.workflow_execution
            new = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
            for run in ((child.workflow_id, child.run_id), (workflow_id, new)):
                if run[1] and run not in seen:
                    seen.add(run)
                    pending.append(run)
        started = history.events[0].workflow_execution_started_event_attributes
        if replay.knows(started.workflow_type.name) and _is_complete(history):
            yield history


def _is_complete(history: WorkflowHistory) -> bool:
    """Return true if a history can be replayed: the test server occasionally loses an event."""
    try:
        check(history.events)
    except IncompleteHistoryError:
        return False
    return True
