"""Diagnosis of an open run whose workflow task does not complete, from the task and the pollers of its queue."""

from __future__ import annotations

import time
from collections.abc import Sequence

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingWorkflowTaskInfo

from assay.temporal.client.pollers import Poller

_TASK_EVENTS = {
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
}


def standstill(
    events: Sequence[HistoryEvent], task: PendingWorkflowTaskInfo | None, pollers: Sequence[Poller] | None
) -> str:
    """Return the reason why the pending workflow task of an open run has not completed; empty if none is pending.

    Args:
        events: History of the run.
        task: Pending workflow task, if the server was asked and there is one.
        pollers: Workers that poll the task queue, the most recent first; None if the server was not asked.
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
    return text + _polled(events[0].workflow_execution_started_event_attributes.task_queue.name, pollers)


def _polled(queue: str, pollers: Sequence[Poller] | None) -> str:
    if pollers is None:
        return f" from task queue '{queue}'"
    if not pollers:
        return f"; no worker polls task queue '{queue}'"
    ago = max(0, round(time.time() - pollers[0].last_access))
    return f"; task queue '{queue}' was last polled {ago} s ago, by {pollers[0].identity}"
