"""Completeness check of a history before its replay."""

from __future__ import annotations

from collections.abc import Sequence

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from assay.errors import AssayError

_TASK_CLOSED = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
)


class IncompleteHistoryError(AssayError):
    """A history has missing events."""


def check(events: Sequence[HistoryEvent]) -> None:
    """Raise IncompleteHistoryError if events are missing, in which case Core would never finish the replay."""
    if not events or events[0].event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
        raise IncompleteHistoryError("the history does not begin with WorkflowExecutionStarted")
    running = 0
    for expected, event in enumerate(events, 1):
        if event.event_id != expected:
            raise IncompleteHistoryError(f"the history is incomplete: event {expected} is missing")
        attributes = getattr(event, event.WhichOneof("attributes") or "", None)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            if running:
                raise _unclosed_task(running)
            running = event.event_id
        elif event.event_type in _TASK_CLOSED:
            running = 0
        elif running and getattr(attributes, "workflow_task_completed_event_id", 0):
            raise _unclosed_task(running)


def _unclosed_task(task: int) -> IncompleteHistoryError:
    return IncompleteHistoryError(f"the history is incomplete: the workflow task of event {task} is not closed")
