"""Catalogue of history event types, for replays, timelines and the screen of `assay dev`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

ACTIVITY = "activity"
NEXUS_OPERATION = "Nexus operation"
CHILD_WORKFLOW = "child workflow"
TIMER = "timer"
SIGNAL_TO_WORKFLOW = "signal to another workflow"
CANCEL_OF_WORKFLOW = "cancellation of another workflow"
SEARCH_ATTRIBUTES = "search attributes"
MEMO = "memo"
WORKFLOW = "workflow"


@dataclass(frozen=True, kw_only=True)
class EventType:
    """A type of history event. Field paths refer to the event's attributes.

    Attributes:
        kind: Kind of step: "activity", "timer", …; empty for an event that is not shown.
        is_command: Whether a workflow command causes the event, so that a replay must repeat it.
        closes: Whether the event ends the run.
        ends: Path of the id of the event that began the step which this one ends; empty if it ends none.
        state: State of the step after the event; for an event that ends the run, the run's status.
        name: Path of the name.
        key: Path of the field that distinguishes steps of the same kind.
        input: Path of the payloads.
    """

    kind: str = ""
    is_command: bool = False
    closes: bool = False
    ends: str = ""
    state: str = ""
    name: str = ""
    key: str = ""
    input: str = ""


def _begin(kind: str, state: str, *, name: str = "", key: str = "", input: str = "") -> EventType:
    return EventType(kind=kind, is_command=True, state=state, name=name, key=key, input=input)


def _end(kind: str, ends: str, state: str) -> EventType:
    return EventType(kind=kind, ends=ends, state=state)


def _close(status: str, *, is_command: bool = True, input: str = "") -> EventType:
    return EventType(kind=WORKFLOW, is_command=is_command, closes=True, state=status, input=input)


_NOTHING = EventType()

EVENT_TYPES: Mapping[str, EventType] = MappingProxyType(
    {
        "workflow_execution_started": EventType(kind="start", input="input.payloads"),
        "workflow_execution_signaled": EventType(kind="signal", name="signal_name", input="input.payloads"),
        "workflow_execution_cancel_requested": EventType(kind="cancel requested", name="cause"),
        "workflow_execution_update_admitted": _NOTHING,
        "workflow_execution_update_accepted": EventType(
            kind="update",
            state="started",
            name="accepted_request.input.name",
            input="accepted_request.input.args.payloads",
        ),
        "workflow_execution_update_completed": _end("update", "accepted_event_id", "completed"),
        "workflow_execution_completed": _close("completed"),
        "workflow_execution_failed": _close("failed"),
        "workflow_execution_canceled": _close("cancelled"),
        "workflow_execution_continued_as_new": _close("continued as new", input="input.payloads"),
        "workflow_execution_terminated": _close("terminated", is_command=False),
        "workflow_execution_timed_out": _close("timed out", is_command=False),
        "workflow_task_scheduled": _NOTHING,
        "workflow_task_started": _NOTHING,
        "workflow_task_completed": _NOTHING,
        "workflow_task_failed": EventType(kind="workflow task", state="failed"),
        "workflow_task_timed_out": EventType(kind="workflow task", state="timed out"),
        "activity_task_scheduled": _begin(
            ACTIVITY, "scheduled", name="activity_type.name", key="activity_id", input="input.payloads"
        ),
        "activity_task_cancel_requested": _NOTHING,
        "activity_task_completed": _end(ACTIVITY, "scheduled_event_id", "completed"),
        "activity_task_failed": _end(ACTIVITY, "scheduled_event_id", "failed"),
        "activity_task_timed_out": _end(ACTIVITY, "scheduled_event_id", "timed out"),
        "activity_task_canceled": _end(ACTIVITY, "scheduled_event_id", "cancelled"),
        "nexus_operation_scheduled": _begin(NEXUS_OPERATION, "scheduled", name="operation", input="input"),
        "nexus_operation_cancel_requested": _NOTHING,
        "nexus_operation_cancel_request_completed": _NOTHING,
        "nexus_operation_completed": _end(NEXUS_OPERATION, "scheduled_event_id", "completed"),
        "nexus_operation_failed": _end(NEXUS_OPERATION, "scheduled_event_id", "failed"),
        "nexus_operation_timed_out": _end(NEXUS_OPERATION, "scheduled_event_id", "timed out"),
        "nexus_operation_canceled": _end(NEXUS_OPERATION, "scheduled_event_id", "cancelled"),
        "timer_started": _begin(TIMER, "started", key="timer_id"),
        "timer_fired": _end(TIMER, "started_event_id", "fired"),
        "timer_canceled": _end(TIMER, "started_event_id", "cancelled"),
        "start_child_workflow_execution_initiated": _begin(
            CHILD_WORKFLOW, "scheduled", name="workflow_type.name", key="workflow_id", input="input.payloads"
        ),
        "start_child_workflow_execution_failed": _end(CHILD_WORKFLOW, "initiated_event_id", "not started"),
        "child_workflow_execution_completed": _end(CHILD_WORKFLOW, "initiated_event_id", "completed"),
        "child_workflow_execution_failed": _end(CHILD_WORKFLOW, "initiated_event_id", "failed"),
        "child_workflow_execution_canceled": _end(CHILD_WORKFLOW, "initiated_event_id", "cancelled"),
        "child_workflow_execution_timed_out": _end(CHILD_WORKFLOW, "initiated_event_id", "timed out"),
        "child_workflow_execution_terminated": _end(CHILD_WORKFLOW, "initiated_event_id", "terminated"),
        "signal_external_workflow_execution_initiated": _begin(
            SIGNAL_TO_WORKFLOW, "scheduled", name="signal_name", input="input.payloads"
        ),
        "external_workflow_execution_signaled": _end(SIGNAL_TO_WORKFLOW, "initiated_event_id", "completed"),
        "signal_external_workflow_execution_failed": _end(SIGNAL_TO_WORKFLOW, "initiated_event_id", "failed"),
        "request_cancel_external_workflow_execution_initiated": _begin(CANCEL_OF_WORKFLOW, "scheduled"),
        "external_workflow_execution_cancel_requested": _end(CANCEL_OF_WORKFLOW, "initiated_event_id", "completed"),
        "request_cancel_external_workflow_execution_failed": _end(CANCEL_OF_WORKFLOW, "initiated_event_id", "failed"),
        "upsert_workflow_search_attributes": _begin(SEARCH_ATTRIBUTES, ""),
        "workflow_properties_modified": _begin(MEMO, ""),
    }
)
"""Event types by the names of their attributes without the suffix `_event_attributes`. Markers are not included."""


def attributes_of(event: HistoryEvent) -> tuple[str, Any]:
    """Return the name of an event's type, as in `EVENT_TYPES`, and its attributes; an empty name if it has none."""
    attributes = event.WhichOneof("attributes")
    if attributes is None:
        return "", None
    return attributes.removesuffix("_event_attributes"), getattr(event, attributes)


def field(message: Any, path: str) -> Any:
    """Return the field of a message at a path."""
    for name in path.split("."):
        message = getattr(message, name)
    return message


def input_of(kind: EventType, attributes: Any) -> list[Payload]:
    """Return the payloads of an event."""
    if not kind.input:
        return []
    value = field(attributes, kind.input)
    return [value] if isinstance(value, Payload) else list(value)
