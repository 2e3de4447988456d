"""History events without ids, times and identities, in which the simulation and a server agree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from temporalio.api.enums.v1 import EventType, RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from assay.temporal.data import payloads

_PLAIN = ("signal_name", "timer_id", "activity_id", "attempt", "marker_name", "child_workflow_only")
_TASKS = ("workflow_task_scheduled", "workflow_task_started", "workflow_task_completed")


def essence(events: Iterable[HistoryEvent], *, tasks: bool = False) -> list[str]:
    """Return a line for each event; `tasks`: also for workflow tasks that went well."""
    lines: list[str] = []
    names: dict[int, str] = {}
    for event in events:
        kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()
        if kind in _TASKS and not tasks:
            continue
        value: Any = getattr(event, f"{kind}_event_attributes")
        fields = value.DESCRIPTOR.fields_by_name
        words: list[str] = []
        words += [getattr(value, name).name for name in ("activity_type", "workflow_type") if name in fields]
        words += [f"{name}={getattr(value, name)}" for name in _PLAIN if name in fields]
        if "workflow_execution" in fields:
            words.append(value.workflow_execution.workflow_id.rpartition("/")[2])
        if "scheduled_event_id" in fields and kind.startswith("activity"):
            words.append(names.get(value.scheduled_event_id, ""))
        if "started_event_id" in fields and kind.startswith("timer"):
            words.append(names.get(value.started_event_id, ""))
        if "retry_state" in fields:
            words.append(RetryState.Name(value.retry_state).removeprefix("RETRY_STATE_"))
        if "start_to_fire_timeout" in fields:
            words.append(f"{value.start_to_fire_timeout.ToMilliseconds()}ms")
        words += [
            f"{name}={[payloads.read_python(item) for item in getattr(value, name).payloads]}"
            for name in ("result", "input")
            if name in fields and hasattr(getattr(value, name), "payloads")
        ]
        words += [
            f"{name}={of_failure(getattr(value, name))}"
            for name in ("failure", "last_failure")
            if name in fields and value.HasField(name)
        ]
        if "outcome" in fields:
            words.append(value.outcome.WhichOneof("value"))
        if "accepted_request" in fields:
            words.append(value.accepted_request.input.name)
        if "cause" in fields and isinstance(value.cause, int):
            words.append(f"cause={value.cause}")
        names[event.event_id] = words[0] if words else ""
        lines.append(" ".join([kind, *filter(None, words)]))
    return lines


def of_failure(failure: Failure) -> str:
    """Return the kinds of a failure and its causes."""
    info = failure.WhichOneof("failure_info") or "none"
    text = info.removesuffix("_failure_info")
    if info == "timeout_failure_info":
        kind = TimeoutType.Name(failure.timeout_failure_info.timeout_type)
        text = f"timeout {kind.removeprefix('TIMEOUT_TYPE_')} '{failure.message}'"
    elif info == "application_failure_info":
        text = f"application {failure.application_failure_info.type}"
    return text + (f" < {of_failure(failure.cause)}" if failure.HasField("cause") else "")
