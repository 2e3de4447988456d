"""Events of a history as breakpoints: which events are meant, and where a replay stops for them."""

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
    """The names of all types of events, by how they are compared."""
    from temporalio.api.enums.v1 import EventType

    names = [name.removeprefix("EVENT_TYPE_") for name in EventType.keys()]  # noqa: SIM118 it is not a mapping
    return {_plain(name): "".join(part.capitalize() for part in name.split("_")) for name in names}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower().removeprefix("eventtype")


@dataclass(frozen=True)
class EventSpec:
    """Events that a user means: one by its id, or all of a type ("ActivityTaskCompleted")."""

    id: int = 0
    type: str = ""

    @classmethod
    def parse(cls, text: str) -> EventSpec:
        """Read "7", "event 7", "TimerFired", "timer fired" or "EVENT_TYPE_TIMER_FIRED". Raises AssayError."""
        number = re.fullmatch(r"\s*(?:event\s*)?(\d+)\s*", text, re.IGNORECASE)
        if number is not None:
            return cls(id=int(number[1]))
        known = _types().get(_plain(text))
        if known is None:
            near = difflib.get_close_matches(_plain(text), _types(), 1)
            hint = f" (did you mean {_types()[near[0]]}?)" if near else ""
            raise AssayError(f"'{text}' is neither the id of an event nor a type such as ActivityTaskCompleted{hint}")
        return cls(type=known)

    def matches(self, event: HistoryEvent) -> bool:
        """Return true if an event is one of these."""
        return event.event_id == self.id or type_name(event) == self.type


def type_name(event: HistoryEvent) -> str:
    """The type of an event, such as "ActivityTaskCompleted"."""
    from temporalio.api.enums.v1 import EventType

    return _types()[_plain(EventType.Name(event.event_type))]


def parse_list(wanted: object) -> list[EventSpec]:
    """Read a list of events, or a string with commas between them. Raises AssayError."""
    if isinstance(wanted, str):
        wanted = [part for part in wanted.split(",") if part.strip()]
    elif isinstance(wanted, int):
        wanted = [wanted]
    if not isinstance(wanted, list):
        raise AssayError("expected an array of event ids and types")
    return [EventSpec.parse(str(item)) for item in wanted]


@dataclass
class Stops:
    """Where a replay stops for events.

    Attributes:
        calls: Why to stop at a call of Python by the script, by the number of the call in the run: the event follows
            from it.
        tasks: Why to stop when the run continues in a workflow task, by the id of the event that started it: the events
            came with it.
    """

    calls: dict[int, str] = field(default_factory=dict)
    tasks: dict[int, str] = field(default_factory=dict)


def stops(wanted: Collection[EventSpec], events: Sequence[HistoryEvent], calls: dict[int, int]) -> Stops:
    """Find the places of the events that are wanted; `calls` has the call behind an event, by the event's id."""
    found = Stops()
    tasks = _Tasks(events)
    for event in events:
        if not any(spec.matches(event) for spec in wanted):
            continue
        text = f"event {event.event_id}: {type_name(event)}"
        if event.event_id in calls:
            _add(found.calls, calls[event.event_id], text)
            continue
        task = tasks.of(event)
        if task is not None:
            _add(found.tasks, task, text)
    return found


def _add(texts: dict[int, str], key: int, text: str) -> None:
    texts[key] = f"{texts[key]}, {text}" if key in texts else text


class _Tasks:
    """The workflow tasks of a history that completed: the ids of the events that started them."""

    def __init__(self, events: Iterable[HistoryEvent]) -> None:
        self._by_completion: dict[int, int] = {}
        for event in events:
            if event.HasField("workflow_task_completed_event_attributes"):
                started = event.workflow_task_completed_event_attributes.started_event_id
                self._by_completion[event.event_id] = started

    def of(self, event: HistoryEvent) -> int | None:
        """The task that an event follows from, or that it came with."""
        attributes = getattr(event, event.WhichOneof("attributes") or "", None)
        completion = getattr(attributes, "workflow_task_completed_event_id", 0)
        if completion in self._by_completion:
            return self._by_completion[completion]
        return next((started for started in sorted(self._by_completion.values()) if started >= event.event_id), None)
