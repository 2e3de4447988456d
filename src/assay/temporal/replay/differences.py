"""Differences that a matching replay tolerates: Temporal compares only the kinds, the order and the names of steps."""

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

_TIMER_RESOLUTION = 1_000_000  # nanoseconds
_MAX_VALUE_LENGTH = 200  # characters of a value in a message


@dataclass(frozen=True)
class Difference:
    """A difference between a history and its replay.

    Attributes:
        kind: "timer" for a different duration, "input" for a different input, "step" for a step missing in the history.
        message: Description of the difference.
        event_id: Id of the event; 0 for a step missing in the history.
        place: Line of the script, as `file:line`; empty if unknown.
    """

    kind: Literal["timer", "input", "step"]
    message: str
    event_id: int
    place: str

    def __str__(self) -> str:
        return self.message + (f" ({self.place})" if self.place else "")


def differences(events: Sequence[HistoryEvent], replayed: Iterable[Step], codec: Codec) -> list[Difference]:
    """Return the differences between a history and the steps of its replay, which matches."""
    pending: dict[tuple[str, str, str], deque[tuple[int, Step]]] = {}
    for event in events:
        step = event_step(event)
        if step is not None:
            pending.setdefault(step.identity, deque()).append((event.event_id, step))
    result: list[Difference] = []
    end = last_task(events)
    for step in replayed:
        queue = pending.get(step.identity)
        if queue:
            event_id, recorded = queue.popleft()
            result += filter(None, (_duration(event_id, recorded, step), _input(event_id, recorded, step, codec)))
        elif step.task <= end and step.needs_event:
            text = f"the script continues after the history: {step}; an open run would not match at its next task"
            result.append(Difference("step", text, 0, step.where))
    return result


def _duration(event_id: int, recorded: Step, replayed: Step) -> Difference | None:
    if abs(recorded.nanoseconds - replayed.nanoseconds) < _TIMER_RESOLUTION:
        return None
    was, now = (f"{step.nanoseconds / 1e9:.9f}".rstrip("0").rstrip(".") for step in (recorded, replayed))
    text = f"event {event_id}: the timer is {was} s in the history and {now} s in the script; an open run waits {was} s"
    return Difference("timer", text, event_id, replayed.where)


def _input(event_id: int, recorded: Step, replayed: Step, codec: Codec) -> Difference | None:
    if recorded.input == replayed.input:
        return None
    try:
        shown = [", ".join(_value(data, codec) for data in step.input) or "none" for step in (recorded, replayed)]
    except (AssayError, ValueError):
        return None  # values that cannot be decoded cannot be compared
    if shown[0] == shown[1]:
        return None
    shown = [_shorten(text) for text in shown]
    text = f"event {event_id}: the input of {recorded} is {shown[0]} in the history and {shown[1]} in the script"
    return Difference("input", text, event_id, replayed.where)


def _value(data: bytes, codec: Codec) -> str:
    value = payloads.from_payload(codec.open(Payload.FromString(data)))
    plain = None if value is None else payloads.to_python(value)
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, default=repr)


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_VALUE_LENGTH else text[: _MAX_VALUE_LENGTH - 1] + "…"
