"""The history of a simulated run, in a compact form from which events are created on demand."""

from __future__ import annotations

from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History as HistoryMessage
from temporalio.api.history.v1 import HistoryEvent


class History:
    """The events of a run, numbered from 1."""

    def __init__(self) -> None:
        self._events: list[tuple[str, int, dict[str, Any], Any]] = []

    def __len__(self) -> int:
        return len(self._events)

    def add(self, kind: str, at: int, metadata: Any = None, **fields: Any) -> int:
        """Add an event of a kind, such as "timer_started", and return its number. `at`: nanoseconds since 1970."""
        self._events.append((kind, at, fields, metadata))
        return len(self._events)

    def kinds(self) -> list[str]:
        """Return the kinds of the events."""
        return [event[0] for event in self._events]

    def events(self) -> list[HistoryEvent]:
        """Return the events as protobuf messages."""
        return [_event(number, *event) for number, event in enumerate(self._events, 1)]

    def message(self) -> HistoryMessage:
        """Return the history as a protobuf message."""
        return HistoryMessage(events=self.events())


def _event(number: int, kind: str, at: int, fields: dict[str, Any], metadata: Any) -> HistoryEvent:
    event = HistoryEvent(event_id=number, event_type=EventType.Value(f"EVENT_TYPE_{kind.upper()}"))
    event.event_time.FromNanoseconds(at)
    attributes = getattr(event, f"{kind}_event_attributes")
    attributes.SetInParent()
    attributes.MergeFrom(type(attributes)(**{name: value for name, value in fields.items() if value is not None}))
    if metadata is not None:
        event.user_metadata.CopyFrom(metadata)
    return event
