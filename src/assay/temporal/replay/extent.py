"""The part of a history that completed workflow tasks have handled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent


def handled(events: Sequence[HistoryEvent]) -> int:
    """Return the number of leading events up to the last completed workflow task, including the events of its commands.

    A replay of these events runs no code that the run has not reached.
    """
    end = len(events)
    while end and events[end - 1].event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
        end -= 1
    if not end:
        return 0
    task = events[end - 1].event_id
    while end < len(events) and _commanded_by(events[end]) == task:
        end += 1
    return end


def last_task(events: Sequence[HistoryEvent]) -> int:
    """Return the id of the event that started the last completed workflow task, or 0 if none has completed."""
    for event in reversed(events):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return event.workflow_task_completed_event_attributes.started_event_id
    return 0


def _commanded_by(event: HistoryEvent) -> int:
    attributes: Any = getattr(event, event.WhichOneof("attributes") or "", None)
    return getattr(attributes, "workflow_task_completed_event_id", 0)
