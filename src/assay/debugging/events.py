"""History events as breakpoints: parsing, and where a replay stops for an event."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from assay.errors import AssayError

if TYPE_CHECKING:
    from temporalio.api.history.v1 import HistoryEvent


@cache
def _types() -> dict[str, str]:
    """Return the names of all event types, by normalized name."""
    from temporalio.api.enums.v1 import EventType

    names = [name.removeprefix("EVENT_TYPE_") for name in EventType.keys()]  # noqa: SIM118 it is not a mapping
    return {_normalize(name): "".join(part.capitalize() for part in name.split("_")) for name in names}


def _normalize(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower().removeprefix("eventtype")


@dataclass(frozen=True)
class EventSpec:
    """A selection of events: one by its id, or all of a type ("ActivityTaskCompleted")."""

    id: int = 0
    type: str = ""

    @classmethod
    def parse(cls, text: str) -> EventSpec:
        """Parse "7", "event 7", "TimerFired", "timer fired" or "EVENT_TYPE_TIMER_FIRED". Raises AssayError."""
        number = re.fullmatch(r"\s*(?:event\s*)?(\d+)\s*", text, re.IGNORECASE)
        if number is not None:
            return cls(id=int(number[1]))
        event_type = _types().get(_normalize(text))
        if event_type is None:
            matches = difflib.get_close_matches(_normalize(text), _types(), 1)
            hint = f" (did you mean {_types()[matches[0]]}?)" if matches else ""
            raise AssayError(f"'{text}' is neither an event id nor an event type such as ActivityTaskCompleted{hint}")
        return cls(type=event_type)

    def matches(self, event: HistoryEvent) -> bool:
        """Return true if the event is selected."""
        return event.event_id == self.id or type_name(event) == self.type


def type_name(event: HistoryEvent) -> str:
    """Return the type of an event, such as "ActivityTaskCompleted"."""
    from temporalio.api.enums.v1 import EventType

    return _types()[_normalize(EventType.Name(event.event_type))]


def parse_list(value: object) -> list[EventSpec]:
    """Parse a list of events, a comma-separated string or an event id. Raises AssayError."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    elif isinstance(value, int):
        value = [value]
    if not isinstance(value, list):
        raise AssayError("expected an array of event ids and types")
    return [EventSpec.parse(str(item)) for item in value]


@dataclass
class Stops:
    """Places where a replay stops for events, with the text shown for the stop.

    Attributes:
        calls: Calls of callbacks that lead to the events, by their number in the run.
        tasks: Workflow tasks that delivered the events, by the id of the WorkflowTaskStarted event.
    """

    calls: dict[int, str] = field(default_factory=dict)
    tasks: dict[int, str] = field(default_factory=dict)


def stops(specs: Collection[EventSpec], events: Sequence[HistoryEvent], calls: dict[int, int]) -> Stops:
    """Return the places where a replay stops for the selected events.

    Args:
        specs: Selected events.
        events: Events of the history.
        calls: Numbers of the calls that led to events, by event id.
    """
    places = Stops()
    tasks = _Tasks(events)
    for event in events:
        if not any(spec.matches(event) for spec in specs):
            continue
        text = f"event {event.event_id}: {type_name(event)}"
        if event.event_id in calls:
            _add(places.calls, calls[event.event_id], text)
            continue
        task = tasks.of(event)
        if task is not None:
            _add(places.tasks, task, text)
    return places


def _add(texts: dict[int, str], key: int, text: str) -> None:
    texts[key] = f"{texts[key]}, {text}" if key in texts else text


class _Tasks:
    """Completed workflow tasks of a history, identified by their WorkflowTaskStarted event."""

    def __init__(self, events: Iterable[HistoryEvent]) -> None:
        self._by_completion: dict[int, int] = {}
        for event in events:
            if event.HasField("workflow_task_completed_event_attributes"):
                started = event.workflow_task_completed_event_attributes.started_event_id
                self._by_completion[event.event_id] = started

    def of(self, event: HistoryEvent) -> int | None:
        """Return the task that produced an event or delivered it, or None."""
        attributes = getattr(event, event.WhichOneof("attributes") or "", None)
        completion = getattr(attributes, "workflow_task_completed_event_id", 0)
        if completion in self._by_completion:
            return self._by_completion[completion]
        return next((started for started in sorted(self._by_completion.values()) if started >= event.event_id), None)
