"""Steps: what a workflow's code asks for, seen in a history (events) and in a run (commands), in the same words."""

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
    """One step: what it is, the name in it, where it was seen (an event, or a line of the script), and a detail.

    `key` distinguishes steps of one kind: an activity's or a child's id, the number of a timer. Steps that are not
    `ordered` (local activities, patches, …) come into a history in an order of their own. `input` are the payloads that
    it sends, `nanoseconds` the duration of a timer; `task` is the length of the history at the workflow task of a step
    of a run, and `call` the number in the run of the call of a builtin behind it, 0 when that is not known.
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
        """Return what Temporal compares of it."""
        return self.kind, self.name, self.key

    @property
    def needs_event(self) -> bool:
        """Return true if it has an event in the history as soon as its workflow task has completed."""
        return self.kind not in (_LOCAL, _PATCH)

    def matches(self, other: Step) -> bool:
        """Return true if both are the same step."""
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
"""Commands that are steps: kind, and the fields with the name and the key."""

_INPUTS = {
    ACTIVITY: "arguments",
    NEXUS_OPERATION: "input",
    CHILD_WORKFLOW: "input",
    SIGNAL_TO_WORKFLOW: "args",
    _AS_NEW: "arguments",
}
"""The fields with the input of a step in a command."""

_UNORDERED = frozenset({_LOCAL, _PATCH, SEARCH_ATTRIBUTES, MEMO})

_TAKEN_BACK = {
    "cancel_timer": "start_timer",
    "request_cancel_activity": "schedule_activity",
    "cancel_child_workflow_execution": "start_child_workflow_execution",
}
"""Commands that, in the same workflow task, undo another one: it never reaches the history."""

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
"""The calls behind the steps of a kind."""
_TIMED_WAITS = ("ctx:wait_signal", "ctx:wait_condition", "ctx:await_all", "ctx:await_any")
"""They start a timer when they have a timeout."""
_NAMED = frozenset({ACTIVITY, _LOCAL, CHILD_WORKFLOW, _PATCH})
"""Steps whose name is the first argument of the call behind them."""


def _text(message: object, path: str) -> str:
    return str(field(message, path)) if path else ""


def _input(kind: str, command: Any) -> list[Payload]:
    if kind not in _INPUTS:
        return []
    found = getattr(command, _INPUTS[kind])
    return [found] if isinstance(found, Payload) else list(found)


def _bytes(payloads: Iterable[Payload]) -> tuple[bytes, ...]:
    return tuple(payload.SerializeToString() for payload in payloads)


def _nanoseconds(kind: str, message: Any) -> int:
    if kind != TIMER:
        return 0
    duration: Duration = message.start_to_fire_timeout
    return duration.ToNanoseconds()


def event_step(event: HistoryEvent) -> Step | None:
    """The step that an event records, None when the server made it by itself."""
    attributes, value = attributes_of(event)
    where = f"event {event.event_id}"
    if attributes == "marker_recorded":
        return _marker_step(value, where)
    found = EVENT_TYPES.get(attributes)
    if found is None or not found.is_command:
        return None
    kind, key = _closed(found.state) if found.closes else found.kind, _text(value, found.key)
    return Step(
        kind,
        _text(value, found.name),
        where,
        key if kind == CHILD_WORKFLOW else "",
        key,
        kind not in _UNORDERED,
        _bytes(input_of(found, value)),
        _nanoseconds(kind, value),
    )


def marker_data(marker: MarkerRecordedEventAttributes) -> dict[str, object]:
    """Return what the SDK's core writes into a marker of a local activity or a patch."""
    for name in ("data", "patch-data"):
        for payload in marker.details[name].payloads if name in marker.details else ():
            try:
                found = json.loads(payload.data)
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
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
    """The steps of a history that are compared."""
    for event in events:
        step = event_step(event)
        if step is not None and step.ordered:
            yield step


@dataclass(frozen=True)
class Call:
    """A builtin that the script called: its name, its first argument if that is a text, its line.

    `has_timeout`: its options have a timeout, `number` which call of the run it is.
    """

    title: str
    first: str
    has_timeout: bool
    place: str
    number: int


class Taken:
    """The steps that a run takes, from its commands."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._task = -1
        self._numbered: dict[tuple[str, int], Step] = {}
        self._late: list[Call] = []

    def add(self, task: int, commands: Iterable[WorkflowCommand], calls: Iterable[Call]) -> None:
        """Add the commands of one activation, with the lines of the `calls` behind them.

        `task` distinguishes the workflow tasks of a run, each of which may have several activations.
        """
        if task != self._task:
            self._task, self._numbered = task, {}
        left = self._late + list(calls)
        for command in commands:
            variant = command.WhichOneof("variant") or ""
            value = getattr(command, variant)
            if variant in _COMMANDS:
                step = _command_step(variant, value, left, task)
                self.steps.append(step)
                self._numbered[variant, getattr(value, "seq", 0)] = step
            elif variant in _TAKEN_BACK:
                number = value.child_workflow_seq if variant == "cancel_child_workflow_execution" else value.seq
                undone = self._numbered.pop((_TAKEN_BACK[variant], number), None)
                if undone is not None:
                    self.steps = [step for step in self.steps if step is not undone]
                elif variant == "cancel_child_workflow_execution":
                    self.steps.append(Step(CANCEL_OF_WORKFLOW, task=task))
        # A signal to a child becomes a command when the child has started.
        self._late = [call for call in left if call.title == "future:signal"]


def _command_step(variant: str, value: object, calls: list[Call], task: int) -> Step:
    kind, name_field, key_field = _COMMANDS[variant]
    name, key = _unless_hidden(_text(value, name_field)), _text(value, key_field)
    source = next((call for call in calls if _is_behind(call, kind, name)), None)
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


def _is_behind(call: Call, kind: str, name: str) -> bool:
    if kind == _LOCAL and not name:
        return call.title == "ctx:side_effect"
    if kind == TIMER and call.has_timeout and call.title in _TIMED_WAITS:
        return True
    return call.title in _CALLS.get(kind, ()) and (kind not in _NAMED or call.first == name)


def behind(events: Iterable[HistoryEvent], taken: Iterable[Step]) -> dict[int, Step]:
    """The step of the run that caused each event, by the event's id: of the events of which it is known."""
    steps: dict[tuple[str, str, str], deque[Step]] = {}
    for mine in taken:
        steps.setdefault(mine.identity, deque()).append(mine)
    found = {}
    for event in events:
        step = event_step(event)
        queue = steps.get(step.identity) if step is not None else None
        if queue:
            found[event.event_id] = queue.popleft()
    return found


def places(events: Iterable[HistoryEvent], taken: Iterable[Step]) -> dict[int, str]:
    """The line of the script that caused each event, by the event's id: of the events of which it is known."""
    return {event: step.where for event, step in behind(events, taken).items() if step.where}
