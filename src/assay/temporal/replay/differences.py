"""What differs although a replay matches: Temporal compares the kind, the order and the names of steps, no more."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

from assay.errors import AssayError
from assay.temporal.data import payloads
from assay.temporal.data.codec import Codec
from assay.temporal.replay.extent import last_task
from assay.temporal.replay.steps import Step, event_step

_SAME = 1_000_000  # nanoseconds: a server's timers know no less than a millisecond
_MAX_VALUE = 200  # characters of a value in a message


@dataclass(frozen=True)
class Difference:
    """One thing that differs.

    Attributes:
        kind: "timer" for another duration, "input" for another input, "step" for a step that the history has not.
        message: It in words.
        event_id: The event of the history; 0 for a step that it has not.
        place: The line of the script, as `file:line`; empty when it is not known.
    """

    kind: Literal["timer", "input", "step"]
    message: str
    event_id: int
    place: str

    def __str__(self) -> str:
        return self.message + (f" ({self.place})" if self.place else "")


def differences(events: Sequence[HistoryEvent], taken: Iterable[Step], codec: Codec) -> list[Difference]:
    """Return what differs between a history and the steps of a run that matches it."""
    recorded: dict[tuple[str, str, str], deque[tuple[int, Step]]] = {}
    for event in events:
        step = event_step(event)
        if step is not None:
            recorded.setdefault(step.identity, deque()).append((event.event_id, step))
    found: list[Difference] = []
    end = last_task(events)
    for step in taken:
        queue = recorded.get(step.identity)
        if queue:
            event_id, theirs = queue.popleft()
            found += filter(None, (_duration(event_id, theirs, step), _input(event_id, theirs, step, codec)))
        elif step.task <= end and step.needs_event:
            text = f"the script continues after the history: {step}; an open run would not match at its next task"
            found.append(Difference("step", text, 0, step.where))
    return found


def _duration(event_id: int, theirs: Step, ours: Step) -> Difference | None:
    if abs(theirs.nanoseconds - ours.nanoseconds) < _SAME:
        return None
    was, now = (f"{step.nanoseconds / 1e9:.9f}".rstrip("0").rstrip(".") for step in (theirs, ours))
    text = f"event {event_id}: the timer is {was} s in the history and {now} s in the script; an open run waits {was} s"
    return Difference("timer", text, event_id, ours.where)


def _input(event_id: int, theirs: Step, ours: Step, codec: Codec) -> Difference | None:
    if theirs.input == ours.input:
        return None
    try:
        shown = [", ".join(_value(data, codec) for data in step.input) or "none" for step in (theirs, ours)]
    except (AssayError, ValueError):
        return None  # what cannot be read cannot be compared
    if shown[0] == shown[1]:
        return None
    shown = [_cut(text) for text in shown]
    text = f"event {event_id}: the input of {theirs} is {shown[0]} in the history and {shown[1]} in the script"
    return Difference("input", text, event_id, ours.where)


def _value(data: bytes, codec: Codec) -> str:
    value = payloads.from_payload(codec.open(Payload.FromString(data)))
    plain = None if value is None else payloads.to_python(value)
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, default=repr)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"
