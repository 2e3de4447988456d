"""Steps: a common form of events (in a history) and commands (of a run), so that the two can be compared."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent, MarkerRecordedEventAttributes

from assay.temporal.core.protos import WorkflowCommand
from assay.temporal.data.history_events import (
    ACTIVITY,
    CANCEL_OF_WORKFLOW,
    CHILD_WORKFLOW,
    EVENT_TYPES,
    MEMO,
    NEXUS_OPERATION,
    SEARCH_ATTRIBUTES,
    SIGNAL_TO_WORKFLOW,
    TIMER,
    attributes_of,
    field,
    input_of,
)
from assay.temporal.workflow.ctx.activities import SIDE_EFFECT_ACTIVITY


@dataclass(frozen=True)
class Step:
    """One step of a workflow, such as an activity or a timer.

    Attributes:
        kind: Kind of the step, such as "activity".
        name: Name of the activity, child workflow, patch, …
        where: Source of the step: an event, or a line of the script.
        detail: Additional text for messages.
        key: Distinguishes steps of one kind: the id of an activity or child workflow, the number of a timer.
        ordered: False for steps whose events may be recorded in a different order, such as local activities.
        input: Serialized payloads of the input.
        nanoseconds: Duration of a timer.
        task: For a step of a run, the history length at its workflow task.
        call: For a step of a run, the sequence number of the builtin call that caused it; 0 if unknown.
    """

    kind: str
    name: str = ""
    where: str = ""
    detail: str = ""
    key: str = ""
    ordered: bool = True
    input: tuple[bytes, ...] = ()
    nanoseconds: int = 0
    task: int = 0
    call: int = 0

    def __str__(self) -> str:
        return self.kind + (f" '{self.name}'" if self.name else "") + (f": {self.detail}" if self.detail else "")

    @property
    def identity(self) -> tuple[str, str, str]:
        """The fields that Temporal compares."""
        return self.kind, self.name, self.key

    @property
    def needs_event(self) -> bool:
        """True if completing the workflow task records an event for this step."""
        return self.kind not in (_LOCAL, _PATCH)

    def matches(self, other: Step) -> bool:
        """Return true if Temporal considers both the same step."""
        return self.identity == other.identity


_LOCAL = "local activity or side effect"
_PATCH = "patch"


def _closed(status: str) -> str:
    return f"the workflow {status}"


_AS_NEW = _closed("continued as new")

_COMMANDS = {
    "schedule_activity": (ACTIVITY, "activity_type", "activity_id"),
    "schedule_nexus_operation": (NEXUS_OPERATION, "operation", ""),
    "start_child_workflow_execution": (CHILD_WORKFLOW, "workflow_type", "workflow_id"),
    "start_timer": (TIMER, "", "seq"),
    "signal_external_workflow_execution": (SIGNAL_TO_WORKFLOW, "signal_name", ""),
    "request_cancel_external_workflow_execution": (CANCEL_OF_WORKFLOW, "", ""),
    "complete_workflow_execution": (_closed("completed"), "", ""),
    "fail_workflow_execution": (_closed("failed"), "", ""),
    "cancel_workflow_execution": (_closed("cancelled"), "", ""),
    "continue_as_new_workflow_execution": (_AS_NEW, "", ""),
    "schedule_local_activity": (_LOCAL, "activity_type", "seq"),
    "set_patch_marker": (_PATCH, "patch_id", ""),
    "upsert_workflow_search_attributes": (SEARCH_ATTRIBUTES, "", ""),
    "modify_workflow_properties": (MEMO, "", ""),
}
"""Kind of step of each command, and the fields of its name and key."""

_INPUTS = {
    ACTIVITY: "arguments",
    NEXUS_OPERATION: "input",
    CHILD_WORKFLOW: "input",
    SIGNAL_TO_WORKFLOW: "args",
    _AS_NEW: "arguments",
}
"""Field of a command that contains the input, by kind of step."""

_UNORDERED = frozenset({_LOCAL, _PATCH, SEARCH_ATTRIBUTES, MEMO})

_UNDOING = {
    "cancel_timer": "start_timer",
    "request_cancel_activity": "schedule_activity",
    "cancel_child_workflow_execution": "start_child_workflow_execution",
}
"""Commands that undo another command of the same workflow task, which then never reaches the history."""

_CALLS: dict[str, tuple[str, ...]] = {
    ACTIVITY: ("ctx:execute_activity", "ctx:start_activity"),
    _LOCAL: ("ctx:execute_local_activity", "ctx:start_local_activity"),
    NEXUS_OPERATION: ("ctx:execute_nexus_operation", "ctx:start_nexus_operation"),
    CHILD_WORKFLOW: ("ctx:execute_child_workflow", "ctx:start_child_workflow"),
    TIMER: ("ctx:sleep", "ctx:start_timer", "ctx:with_timeout"),
    SIGNAL_TO_WORKFLOW: ("ctx:signal_workflow", "future:signal"),
    CANCEL_OF_WORKFLOW: ("ctx:cancel_workflow",),
    _AS_NEW: ("ctx:continue_as_new",),
    _PATCH: ("ctx:patched", "ctx:deprecate_patch"),
    SEARCH_ATTRIBUTES: ("ctx:upsert_search_attributes",),
    MEMO: ("ctx:upsert_memo",),
}
"""Builtins that cause the steps of a kind."""
_TIMED_WAITS = ("ctx:wait_signal", "ctx:wait_condition", "ctx:await_all", "ctx:await_any")
"""Builtins that start a timer if they have a timeout."""
_NAMED = frozenset({ACTIVITY, _LOCAL, CHILD_WORKFLOW, _PATCH})
"""Kinds of steps whose name is the first argument of the builtin."""


def _text(message: object, path: str) -> str:
    return str(field(message, path)) if path else ""


def _input(kind: str, command: Any) -> list[Payload]:
    if kind not in _INPUTS:
        return []
    value = getattr(command, _INPUTS[kind])
    return [value] if isinstance(value, Payload) else list(value)


def _bytes(payloads: Iterable[Payload]) -> tuple[bytes, ...]:
    return tuple(payload.SerializeToString() for payload in payloads)


def _nanoseconds(kind: str, message: Any) -> int:
    if kind != TIMER:
        return 0
    duration: Duration = message.start_to_fire_timeout
    return duration.ToNanoseconds()


def event_step(event: HistoryEvent) -> Step | None:
    """Return the step that an event records; None if no command caused the event."""
    attributes, value = attributes_of(event)
    where = f"event {event.event_id}"
    if attributes == "marker_recorded":
        return _marker_step(value, where)
    event_type = EVENT_TYPES.get(attributes)
    if event_type is None or not event_type.is_command:
        return None
    kind = _closed(event_type.state) if event_type.closes else event_type.kind
    key = _text(value, event_type.key)
    return Step(
        kind,
        _text(value, event_type.name),
        where,
        key if kind == CHILD_WORKFLOW else "",
        key,
        kind not in _UNORDERED,
        _bytes(input_of(event_type, value)),
        _nanoseconds(kind, value),
    )


def marker_data(marker: MarkerRecordedEventAttributes) -> dict[str, object]:
    """Return the data that Core records in the marker of a local activity or a patch."""
    for name in ("data", "patch-data"):
        for payload in marker.details[name].payloads if name in marker.details else ():
            try:
                data = json.loads(payload.data)
            except ValueError:
                continue
            if isinstance(data, dict):
                return data
    return {}


def _marker_step(marker: MarkerRecordedEventAttributes, where: str) -> Step:
    data = marker_data(marker)
    if marker.marker_name == "core_local_activity":
        name = str(data.get("activity_type", ""))
        return Step(_LOCAL, _unless_hidden(name), where, key=str(data.get("seq", "")), ordered=False)
    if marker.marker_name == "core_patch":
        return Step(_PATCH, str(data.get("id", "")), where, ordered=False)
    return Step(f"marker '{marker.marker_name}'", where=where, ordered=False)


def _unless_hidden(activity: str) -> str:
    return "" if activity == SIDE_EFFECT_ACTIVITY else activity


def history_steps(events: Iterable[HistoryEvent]) -> Iterator[Step]:
    """Return the steps of a history that are compared in order."""
    for event in events:
        step = event_step(event)
        if step is not None and step.ordered:
            yield step


@dataclass(frozen=True)
class Call:
    """A call of a builtin by the script.

    Attributes:
        title: Name of the builtin, such as "ctx:sleep".
        first: First argument if it is a string, else "".
        has_timeout: True if its options have a timeout.
        place: Line of the script, as `file:line`.
        number: Sequence number of the call in the run.
    """

    title: str
    first: str
    has_timeout: bool
    place: str
    number: int


class StepRecorder:
    """Collects the steps of a run from its commands."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._task = -1
        self._numbered: dict[tuple[str, int], Step] = {}
        self._signal_calls: list[Call] = []

    def add(self, task: int, commands: Iterable[WorkflowCommand], calls: Iterable[Call]) -> None:
        """Add the commands of one activation, with the lines of the `calls` that caused them.

        `task` identifies the workflow task, which may have several activations.
        """
        if task != self._task:
            self._task, self._numbered = task, {}
        remaining = self._signal_calls + list(calls)
        for command in commands:
            variant = command.WhichOneof("variant") or ""
            value = getattr(command, variant)
            if variant in _COMMANDS:
                step = _command_step(variant, value, remaining, task)
                self.steps.append(step)
                self._numbered[variant, getattr(value, "seq", 0)] = step
            elif variant in _UNDOING:
                number = value.child_workflow_seq if variant == "cancel_child_workflow_execution" else value.seq
                undone = self._numbered.pop((_UNDOING[variant], number), None)
                if undone is not None:
                    self.steps = [step for step in self.steps if step is not undone]
                elif variant == "cancel_child_workflow_execution":
                    self.steps.append(Step(CANCEL_OF_WORKFLOW, task=task))
        # A signal to a child workflow becomes a command only once the child has started.
        self._signal_calls = [call for call in remaining if call.title == "future:signal"]


def _command_step(variant: str, value: object, calls: list[Call], task: int) -> Step:
    kind, name_field, key_field = _COMMANDS[variant]
    name, key = _unless_hidden(_text(value, name_field)), _text(value, key_field)
    source = next((call for call in calls if _causes(call, kind, name)), None)
    if source is not None:
        calls.remove(source)
    detail = key if kind == CHILD_WORKFLOW else ""
    if variant == "fail_workflow_execution":
        detail = _text(value, "failure.message")
    place, number = (source.place, source.number) if source else ("", 0)
    return Step(
        kind,
        name,
        place,
        detail,
        key,
        kind not in _UNORDERED,
        _bytes(_input(kind, value)),
        _nanoseconds(kind, value),
        task,
        number,
    )


def _causes(call: Call, kind: str, name: str) -> bool:
    if kind == _LOCAL and not name:
        return call.title == "ctx:side_effect"
    if kind == TIMER and call.has_timeout and call.title in _TIMED_WAITS:
        return True
    return call.title in _CALLS.get(kind, ()) and (kind not in _NAMED or call.first == name)


def steps_by_event(events: Iterable[HistoryEvent], steps: Iterable[Step]) -> dict[int, Step]:
    """Return the step of the run that caused each event, by event id, where known."""
    pending: dict[tuple[str, str, str], deque[Step]] = {}
    for step in steps:
        pending.setdefault(step.identity, deque()).append(step)
    causes = {}
    for event in events:
        recorded = event_step(event)
        queue = pending.get(recorded.identity) if recorded is not None else None
        if queue:
            causes[event.event_id] = queue.popleft()
    return causes


def places(events: Iterable[HistoryEvent], steps: Iterable[Step]) -> dict[int, str]:
    """Return the line of the script that caused each event, by event id, where known."""
    return {event: step.where for event, step in steps_by_event(events, steps).items() if step.where}
