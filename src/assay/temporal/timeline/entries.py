"""Timeline entries: one per activity, timer, message, … in a history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import PendingActivityState, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo

from assay.lua.values import Value
from assay.temporal.data.history_events import (
    ACTIVITY,
    EVENT_TYPES,
    NEXUS_OPERATION,
    SEARCH_ATTRIBUTES,
    EventType,
    attributes_of,
    input_of,
)
from assay.temporal.data.history_events import field as field_of
from assay.temporal.replay.steps import marker_data
from assay.temporal.timeline import payloads
from assay.temporal.workflow.ctx.activities import SIDE_EFFECT_ACTIVITY

OPEN = frozenset({"scheduled", "started", "waiting"})
"""States of entries that have not ended."""


@dataclass
class Entry:
    """An entry of a timeline: an activity, a timer, a signal, …

    Attributes:
        event_id: Id of the event that begins it.
        at: Time of that event, in seconds since the start of the run.
        kind: "activity", "timer", "signal", …
        name: Name, such as an activity type.
        input: Input values.
        state: "completed", "failed", …; empty for an entry without duration.
        took: Duration in seconds; None until it ends.
        attempts: Number of attempts.
        result: Result values.
        problem: Message of the failure, or of the last failed attempt.
        place: Line of the script that caused it, as `file:line`.
    """

    event_id: int
    at: float
    kind: str
    name: str = ""
    input: list[Value] = field(default_factory=list)
    state: str = ""
    took: float | None = None
    attempts: int = 1
    result: list[Value] = field(default_factory=list)
    problem: str = ""
    place: str = ""


@dataclass
class Timeline:
    """The timeline of a run.

    Attributes:
        workflow_id: Workflow id.
        run_id: Run id.
        workflow_type: Workflow type.
        task_queue: Task queue of the workflow.
        status: "running", "completed", "failed", "cancelled", "terminated", "timed out" or "continued as new".
        started: Start of the run, in seconds since 1970-01-01 UTC.
        took: Duration in seconds; None while it is running.
        entries: Entries in the order of their first events.
        waits: Pending wait of each task of the run after its last workflow task, with the Lua traceback; empty if
            unknown.
        standstill: Reason why a pending workflow task has not completed; empty if none is pending.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    status: str
    started: float
    took: float | None
    entries: list[Entry]
    waits: str = ""
    standstill: str = ""


class _Builder:
    """Builds entries from the events of a history, in order."""

    def __init__(self, first: HistoryEvent) -> None:
        self._zero = first.event_time.ToMicroseconds()
        self.entries: list[Entry] = []
        self.status = "running"
        self.took: float | None = None
        self._open: dict[int, Entry] = {}
        self._activities: dict[str, Entry] = {}

    def _seconds(self, event: HistoryEvent) -> float:
        return (event.event_time.ToMicroseconds() - self._zero) / 1e6

    def add(self, event: HistoryEvent) -> None:
        """Add the next event."""
        name, value = attributes_of(event)
        event_type = EVENT_TYPES.get(name)
        if event_type is not None and event_type.ends:
            self._end(event, value, getattr(value, event_type.ends), event_type.state)
        elif name == "activity_task_started":
            entry = self._open.get(value.scheduled_event_id)
            if entry is not None:
                entry.state, entry.attempts = "started", value.attempt
                entry.problem = payloads.problem(value.last_failure)
        elif name in ("child_workflow_execution_started", "nexus_operation_started"):
            first_event_id = value.initiated_event_id if "child" in name else value.scheduled_event_id
            if first_event_id in self._open:
                self._open[first_event_id].state = "started"
        elif event_type is not None and event_type.closes:
            self._close(event, value, event_type)
        elif name and (event_type is None or event_type.kind):
            self._begin(event, name, value)

    def _begin(self, event: HistoryEvent, name: str, value: Any) -> None:
        event_type = EVENT_TYPES.get(name)
        entry = Entry(event.event_id, self._seconds(event), name.removeprefix("workflow_").replace("_", " "))
        if event_type is not None:
            entry.kind, entry.state = event_type.kind, event_type.state
            entry.name = str(field_of(value, event_type.name)) if event_type.name else ""
            entry.input = payloads.values(input_of(event_type, value))
        if name in _DETAILS:
            _DETAILS[name](entry, value)
        summary = payloads.values([event.user_metadata.summary]) if event.user_metadata.HasField("summary") else []
        if summary and isinstance(summary[0], str):
            entry.name = f"{entry.name} ({summary[0]})" if entry.name else summary[0]
        if entry.kind == SEARCH_ATTRIBUTES and entry.input == [{}]:
            return
        self.entries.append(entry)
        if entry.state in OPEN:
            self._open[event.event_id] = entry
        if entry.kind == ACTIVITY:
            self._activities[value.activity_id] = entry

    def _end(self, event: HistoryEvent, value: Any, first_event_id: int, state: str) -> None:
        entry = self._open.pop(first_event_id, None)
        if entry is None:
            return
        entry.took = self._seconds(event) - entry.at
        entry.state = state
        fields = value.DESCRIPTOR.fields_by_name
        if "outcome" in fields:
            if value.outcome.HasField("failure"):
                entry.state, entry.problem = "failed", payloads.problem(value.outcome.failure)
            else:
                entry.result = payloads.values(value.outcome.success)
        elif state == "completed":
            entry.problem = ""
        if "result" in fields:
            result = value.result
            entry.result = payloads.values([result] if entry.kind == NEXUS_OPERATION else result)
        if "failure" in fields:
            entry.problem = payloads.problem(value.failure) or entry.problem
        elif "cause" in fields:
            entry.problem = _enum(fields["cause"].enum_type.values_by_number[value.cause].name.rpartition("CAUSE_")[2])

    def _close(self, event: HistoryEvent, value: Any, event_type: EventType) -> None:
        status = event_type.state
        self.status, self.took = status, self._seconds(event)
        entry = Entry(event.event_id, self.took, event_type.kind, state=status)
        fields = value.DESCRIPTOR.fields_by_name
        if "result" in fields:
            entry.result = payloads.values(value.result)
        if "failure" in fields:
            entry.problem = payloads.problem(value.failure)
        if status == "terminated":
            entry.problem = value.reason
        entry.input = payloads.values(input_of(event_type, value))
        if status == "continued as new":
            entry.name = f"run {value.new_execution_run_id}"
        self.entries.append(entry)

    def update_pending(self, info: PendingActivityInfo) -> None:
        """Update the entry of a pending activity with state that is not in the history."""
        entry = self._activities.get(info.activity_id)
        if entry is None:
            return
        entry.attempts = info.attempt
        entry.state = "started" if info.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED else "waiting"
        entry.problem = payloads.problem(info.last_failure) or entry.problem


def _enum(name: str) -> str:
    return name.lower().replace("_", " ")


def _duration(value: Duration) -> str:
    return show_seconds(value.ToMicroseconds() / 1e6)


def show_seconds(seconds: float) -> str:
    """Format a duration: 0.012s, 5m03s, 2h03m, 3d04h."""
    if seconds < 60:
        return f"{seconds:.3f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02}m"
    return f"{hours // 24}d{hours % 24:02}h"


def _started(entry: Entry, value: Any) -> None:
    if value.continued_execution_run_id:
        entry.name = f"continues run {value.continued_execution_run_id}"
    elif value.parent_workflow_execution.workflow_id:
        entry.name = f"child of {value.parent_workflow_execution.workflow_id}"
    if value.attempt > 1:
        entry.attempts = value.attempt
    entry.problem = payloads.problem(value.continued_failure)


def _nexus(entry: Entry, value: Any) -> None:
    entry.name = f"{value.service} {value.operation}"


def _timer(entry: Entry, value: Any) -> None:
    entry.name = _duration(value.start_to_fire_timeout)


def _child(entry: Entry, value: Any) -> None:
    entry.name = f"{value.workflow_type.name} {value.workflow_id}"


def _signal_to(entry: Entry, value: Any) -> None:
    entry.name = f"{value.workflow_execution.workflow_id} {value.signal_name}"


def _cancel_of(entry: Entry, value: Any) -> None:
    entry.name = value.workflow_execution.workflow_id


def _marker(entry: Entry, value: Any) -> None:
    data = marker_data(value)
    if value.marker_name == "core_patch":
        entry.kind, entry.name = "patch", str(data.get("id", ""))
        return
    if value.marker_name != "core_local_activity":
        entry.kind, entry.name = "marker", value.marker_name
        return
    name, attempts = str(data.get("activity_type", "")), data.get("attempt")
    entry.kind, entry.name = ("side effect", "") if name == SIDE_EFFECT_ACTIVITY else ("local activity", name)
    entry.attempts = attempts if isinstance(attempts, int) and attempts else 1
    entry.state = "failed" if value.HasField("failure") else "completed"
    if value.failure.HasField("canceled_failure_info"):
        entry.state = "cancelled"
    entry.problem = payloads.problem(value.failure)
    if "result" in value.details:
        entry.result = payloads.values(value.details["result"])


def _task_failed(entry: Entry, value: Any) -> None:
    cause = WorkflowTaskFailedCause.Name(value.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
    entry.problem = payloads.problem(value.failure) or _enum(cause)


def _task_timed_out(entry: Entry, value: Any) -> None:
    entry.problem = _enum(TimeoutType.Name(value.timeout_type).removeprefix("TIMEOUT_TYPE_"))


def _attributes(entry: Entry, value: Any) -> None:
    fields = value.search_attributes.indexed_fields
    # TemporalChangeVersion lists the patches, which have separate entries.
    entry.input = [{name: payloads.value(fields[name]) for name in sorted(fields) if name != "TemporalChangeVersion"}]


def _memo(entry: Entry, value: Any) -> None:
    fields = value.upserted_memo.fields
    entry.input = [{name: payloads.value(fields[name]) for name in sorted(fields)}]


_DETAILS: dict[str, Callable[[Entry, Any], None]] = {
    "workflow_execution_started": _started,
    "nexus_operation_scheduled": _nexus,
    "timer_started": _timer,
    "start_child_workflow_execution_initiated": _child,
    "signal_external_workflow_execution_initiated": _signal_to,
    "request_cancel_external_workflow_execution_initiated": _cancel_of,
    "marker_recorded": _marker,
    "workflow_task_failed": _task_failed,
    "workflow_task_timed_out": _task_timed_out,
    "upsert_workflow_search_attributes": _attributes,
    "workflow_properties_modified": _memo,
}
"""Functions that add event-specific details to an entry."""


def timeline(
    workflow_id: str, run_id: str, events: Sequence[HistoryEvent], pending: Iterable[PendingActivityInfo] = ()
) -> Timeline:
    """Return the timeline of a complete history; `pending` are the pending activities of an open run."""
    started = events[0].workflow_execution_started_event_attributes
    builder = _Builder(events[0])
    for event in events:
        builder.add(event)
    for info in pending:
        builder.update_pending(info)
    return Timeline(
        workflow_id=workflow_id,
        run_id=run_id or started.original_execution_run_id,
        workflow_type=started.workflow_type.name,
        task_queue=started.task_queue.name,
        status=builder.status,
        started=events[0].event_time.ToMicroseconds() / 1e6,
        took=builder.took,
        entries=builder.entries,
    )
