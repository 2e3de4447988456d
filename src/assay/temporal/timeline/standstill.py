"""Diagnosis of an open run whose workflow task does not complete, from the task and the pollers of its queue."""

from __future__ import annotations

import time
from collections.abc import Sequence

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingWorkflowTaskInfo

from assay.temporal.client.pollers import STOPPED_AFTER, Pollers

_TASK_EVENTS = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
}


def standstill(
    events: Sequence[HistoryEvent],
    task: PendingWorkflowTaskInfo | None,
    pollers: Pollers | None,
    pinned: tuple[str, str] | None,
) -> str:
    """Return the reason why the pending workflow task of an open run has not completed; empty if none is pending.

    Args:
        events: History of the run.
        task: Pending workflow task, if the server was asked and there is one.
        pollers: Workers that poll the task queue; None if the server was not asked.
        pinned: Deployment and build id that the run is pinned to; None if it is not pinned.
    """
    last = next((event for event in reversed(events) if event.event_type in _TASK_EVENTS), None)
    if last is None:
        delay = events[0].workflow_execution_started_event_attributes.first_workflow_task_backoff.ToTimedelta()
        return f"its first workflow task is delayed by {delay}" if delay else ""
    if task is not None and task.attempt > 1:
        return f"its workflow task keeps failing (attempt {task.attempt})"
    if last.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
        return f"worker '{last.workflow_task_started_event_attributes.identity}' is processing its workflow task"
    if last.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
        return ""
    is_first = all(event.event_type not in _TASK_EVENTS for event in events[: last.event_id - 1])
    text = "no worker has taken it" if is_first else "no worker has taken its last workflow task"
    queue = events[0].workflow_execution_started_event_attributes.task_queue.name
    if pollers is None:
        return f"{text} from task queue '{queue}'"
    return "; ".join([text, _polled(queue, pollers), *_version_problem(pollers, pinned)])


def _polled(queue: str, pollers: Pollers) -> str:
    if not pollers.workers:
        return f"no worker polls task queue '{queue}'"
    last = pollers.workers[0]
    ago = max(0, round(time.time() - last.last_access))
    return f"task queue '{queue}' was last polled {ago} s ago, by {last.identity}"


def _version_problem(pollers: Pollers, pinned: tuple[str, str] | None) -> list[str]:
    """Return why none of the workers receives the run, if their versions are the reason."""
    if pinned is not None:
        polling = [worker for worker in pollers.workers if time.time() - worker.last_access < STOPPED_AFTER]
        if any((worker.deployment, worker.build_id) == pinned for worker in polling):
            return []
        return [f"it is pinned to version '{pinned[1]}' of deployment '{pinned[0]}', for which no worker polls"]
    if pollers.without_current is None:
        return []
    deployment, build_id = pollers.without_current, pollers.workers[0].build_id
    command = "temporal worker deployment set-current-version"
    remedy = f"{command} --deployment-name {deployment} --build-id {build_id} --yes"
    return [f"deployment '{deployment}' has no current version, so new workflows wait: {remedy}"]
