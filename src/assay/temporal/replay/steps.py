"""Steps: what a workflow's code asks for, seen in a history (events) and in a run (commands), in the same words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_commands import WorkflowCommand


@dataclass(frozen=True)
class Step:
    """One step: what it is, the name in it, where it was seen (an event, or a line of the script), and a detail."""

    kind: str
    name: str = ""
    where: str = ""
    detail: str = ""

    def __str__(self) -> str:
        return self.kind + (f" '{self.name}'" if self.name else "") + (f": {self.detail}" if self.detail else "")

    def matches(self, other: Step) -> bool:
        """Whether both are the same step."""
        return (self.kind, self.name) == (other.kind, other.name)


_COMMANDS = {
    "schedule_activity": ("activity", "activity_type"),
    "schedule_nexus_operation": ("Nexus operation", "operation"),
    "start_child_workflow_execution": ("child workflow", "workflow_type"),
    "start_timer": ("timer", ""),
    "signal_external_workflow_execution": ("signal to another workflow", "signal_name"),
    "request_cancel_external_workflow_execution": ("cancellation of another workflow", ""),
    "complete_workflow_execution": ("the workflow completed", ""),
    "fail_workflow_execution": ("the workflow failed", ""),
    "cancel_workflow_execution": ("the workflow cancelled", ""),
    "continue_as_new_workflow_execution": ("the run continued as new", ""),
}
"""The commands that are compared: kind, and the field with the name. The others (local activities, patches, …) come
in an order of their own."""

_EVENTS = {
    "activity_task_scheduled_event_attributes": ("activity", "activity_type.name"),
    "nexus_operation_scheduled_event_attributes": ("Nexus operation", "operation"),
    "start_child_workflow_execution_initiated_event_attributes": ("child workflow", "workflow_type.name"),
    "timer_started_event_attributes": ("timer", ""),
    "signal_external_workflow_execution_initiated_event_attributes": ("signal to another workflow", "signal_name"),
    "request_cancel_external_workflow_execution_initiated_event_attributes": ("cancellation of another workflow", ""),
    "workflow_execution_completed_event_attributes": ("the workflow completed", ""),
    "workflow_execution_failed_event_attributes": ("the workflow failed", ""),
    "workflow_execution_canceled_event_attributes": ("the workflow cancelled", ""),
    "workflow_execution_continued_as_new_event_attributes": ("the run continued as new", ""),
}

_CALLS = {
    "timer": ("ctx:sleep", "ctx:wait_signal", "ctx:start_timer", "ctx:wait_condition", "ctx:with_timeout"),
    "the run continued as new": ("ctx:continue_as_new",),
}

_MARKERS = {"core_patch": "patch", "core_local_activity": "local activity or side effect"}


def event_step(event: HistoryEvent) -> Step | None:
    """The step that an event records, None when the server made it by itself."""
    attributes = event.WhichOneof("attributes") or ""
    if attributes == "marker_recorded_event_attributes":
        name = event.marker_recorded_event_attributes.marker_name
        return Step(_MARKERS.get(name, f"marker '{name}'"), where=f"event {event.event_id}")
    if attributes not in _EVENTS:
        return None
    kind, path = _EVENTS[attributes]
    value = getattr(event, attributes)
    for part in filter(None, path.split(".")):
        value = getattr(value, part)
    return Step(kind, value if path else "", f"event {event.event_id}")


def history_steps(events: Iterable[HistoryEvent]) -> Iterator[Step]:
    """The steps of a history that are compared."""
    for event in events:
        step = event_step(event)
        if step is not None and event.WhichOneof("attributes") in _EVENTS:
            yield step


@dataclass(frozen=True)
class Call:
    """A builtin that the script called: its name, its first argument if that is a text, its line."""

    title: str
    first: str
    place: str


def command_steps(commands: Iterable[WorkflowCommand], calls: Iterable[Call]) -> Iterator[Step]:
    """The steps of the commands of one workflow task that are compared, with the lines of the `calls` behind them."""
    left = list(calls)
    for command in commands:
        variant = command.WhichOneof("variant") or ""
        if variant not in _COMMANDS:
            continue
        kind, field = _COMMANDS[variant]
        name = getattr(getattr(command, variant), field) if field else ""
        behind = next((call for call in left if _is_behind(call, kind, name)), None)
        if behind is not None:
            left.remove(behind)
        detail = command.fail_workflow_execution.failure.message if variant == "fail_workflow_execution" else ""
        yield Step(kind, name, behind.place if behind else "", detail)


def _is_behind(call: Call, kind: str, name: str) -> bool:
    if name:
        return call.title.startswith("ctx:") and call.first == name
    return call.title in _CALLS.get(kind, ())
