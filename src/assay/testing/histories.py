"""The histories of the runs of a test, replayed at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from temporalio.client import Client, WorkflowHistory

from assay.temporal.replay.engine import Replay, ReplayResult
from assay.temporal.replay.integrity import IncompleteHistoryError, check
from assay.temporal.worker.worker import Worker


async def mismatches(client: Client, workers: Sequence[Worker], runs: Sequence[tuple[str, str]]) -> list[ReplayResult]:
    """Replay runs, and those that they started, cold; returns those that do not match their histories.

    `runs`: the id of each workflow and of its run.
    """
    if not runs:
        return []
    replay = Replay(workers)
    return [outcome async for outcome in replay.run(_histories(client, replay, runs)) if outcome.divergence]


async def _histories(client: Client, replay: Replay, runs: Sequence[tuple[str, str]]) -> AsyncIterator[WorkflowHistory]:
    todo = list(runs)
    seen = set(todo)
    while todo:
        workflow_id, run_id = todo.pop(0)
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        for event in history.events:
            child = event.child_workflow_execution_started_event_attributes.workflow_execution
            new = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
            for further in ((child.workflow_id, child.run_id), (workflow_id, new)):
                if further[1] and further not in seen:
                    seen.add(further)
                    todo.append(further)
        started = history.events[0].workflow_execution_started_event_attributes
        if replay.knows(started.workflow_type.name) and _is_complete(history):
            yield history


def _is_complete(history: WorkflowHistory) -> bool:
    """Return true if a history can be replayed: the server that skips time loses an event now and then."""
    try:
        check(history.events)
    except IncompleteHistoryError:
        return False
    return True
