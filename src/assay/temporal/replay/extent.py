"""How far a run has come: the part of a history that its workflow tasks have handled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent


def handled(events: Sequence[HistoryEvent]) -> int:
    """Return how many of the first events belong to completed workflow tasks, with what these commanded.

    A replay of so many events runs no code that has not run yet.
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
    """Return the id of the event that started the last completed workflow task, 0 when none has completed."""
    for event in reversed(events):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return event.workflow_task_completed_event_attributes.started_event_id
    return 0


def _commanded_by(event: HistoryEvent) -> int:
    attributes: Any = getattr(event, event.WhichOneof("attributes") or "", None)
    return getattr(attributes, "workflow_task_completed_event_id", 0)
