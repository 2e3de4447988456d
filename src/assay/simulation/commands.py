"""The commands of a run, as the server handles them: one function for each kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure

from assay.simulation import jobs
from assay.simulation.activities import ScheduledActivity
from assay.simulation.children import DELAYS, Child
from assay.simulation.choices import Unsupported
from assay.simulation.clock import SECOND
from assay.simulation.server import Run
from assay.simulation.tasks import LocalResult
from assay.temporal.core.protos import WorkflowCommand

_VERSIONS = "TemporalChangeVersion"
"""The search attribute with the patches of a run."""

_NOT_FOUND = "ExternalWorkflowExecutionNotFound"


def apply(run: Run, command: WorkflowCommand) -> None:
    """Apply a command to its run. Raises Unsupported if its kind is not simulated."""
    kind = jobs.variant(command)
    handle = _HANDLERS.get(kind)
    if handle is None:
        raise Unsupported(f"{kind.replace('_', ' ')} is not simulated")
    handle(run, command)


def _metadata(command: WorkflowCommand) -> Any:
    return command.user_metadata if command.HasField("user_metadata") else None


# Timers -----------------------------------------------------------------------------------------------------------


def _start_timer(run: Run, command: WorkflowCommand) -> None:
    timer = command.start_timer
    seq, seconds = timer.seq, timer.start_to_fire_timeout.ToNanoseconds() / 1e9
    event = run.record(
        "timer_started",
        _metadata(command),
        timer_id=str(seq),
        start_to_fire_timeout=timer.start_to_fire_timeout,
    )
    run.step_names[event] = f"timer {seq}"

    def fire() -> None:
        run.deliver("timer_fired", jobs.fire_timer(seq), timer_id=str(seq), started_event_id=event)

    run.timers[seq] = event, run.world.clock.call_later(seconds, fire)


def _cancel_timer(run: Run, command: WorkflowCommand) -> None:
    seq = command.cancel_timer.seq
    event, timer = run.timers.pop(seq)
    timer.cancel()
    run.drop_buffered("timer_fired", str(seq))
    run.record("timer_canceled", timer_id=str(seq), started_event_id=event)


# Activities -------------------------------------------------------------------------------------------------------


def _schedule_activity(run: Run, command: WorkflowCommand) -> None:
    schedule = command.schedule_activity
    fields: dict[str, Any] = {
        name: getattr(schedule, name)
        for name in (
            *("schedule_to_close_timeout", "schedule_to_start_timeout", "start_to_close_timeout"),
            *("heartbeat_timeout", "retry_policy"),
        )
        if schedule.HasField(name)
    }
    event = run.record(
        "activity_task_scheduled",
        _metadata(command),
        activity_id=schedule.activity_id,
        activity_type={"name": schedule.activity_type},
        task_queue={"name": schedule.task_queue},
        input=Payloads(payloads=schedule.arguments),
        **fields,
    )
    seq = schedule.seq
    run.activity_events[seq] = event
    run.step_names[event] = f"activity {schedule.activity_type}"
    run.activities[seq] = ScheduledActivity(run, seq, schedule, event)


def _cancel_activity(run: Run, command: WorkflowCommand) -> None:
    seq = command.request_cancel_activity.seq
    requested = run.record("activity_task_cancel_requested", scheduled_event_id=run.activity_events[seq])
    activity = run.activities.get(seq)
    if activity is not None:  # otherwise it ended during the workflow task
        activity.request_cancel(requested)


def record_local(run: Run, local: LocalResult) -> None:
    """Record the result of a local activity or a side effect."""
    schedule, resolution = local.command.schedule_local_activity, local.job.resolve_activity.result
    data: dict[str, Any] = {
        "seq": schedule.seq,
        "attempt": max(schedule.attempt, 1),
        "activity_id": schedule.activity_id,
        "activity_type": schedule.activity_type,
        "complete_time": None if local.at is None else {"seconds": local.at // SECOND, "nanos": local.at % SECOND},
        "backoff": None,
        "original_schedule_time": None,
        "activation_index": local.activation,
    }
    details = {}
    failure: Failure | None = None
    match resolution.WhichOneof("status"):
        case "completed":
            details["result"] = Payloads(payloads=[resolution.completed.result])
        case "backoff":
            failure = Failure(message="to be tried again")
            failure.application_failure_info.type = "Retried"
            delay = resolution.backoff.backoff_duration
            scheduled = resolution.backoff.original_schedule_time
            data["backoff"] = {"seconds": delay.seconds, "nanos": delay.nanos}
            data["original_schedule_time"] = {"seconds": scheduled.seconds, "nanos": scheduled.nanos}
            data["attempt"] = resolution.backoff.attempt - 1
        case status:
            failure = getattr(resolution, status or "").failure
    details["data"] = Payloads(payloads=[_json(data)])
    run.record(
        "marker_recorded",
        _metadata(local.command),
        marker_name="core_local_activity",
        details=details,
        failure=failure,
    )


def _json(value: Any) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())


# Other workflows --------------------------------------------------------------------------------------------------


def _start_child(run: Run, command: WorkflowCommand) -> None:
    start = command.start_child_workflow_execution
    event = run.record(
        "start_child_workflow_execution_initiated",
        _metadata(command),
        namespace=start.namespace,
        workflow_id=start.workflow_id,
        workflow_type={"name": start.workflow_type},
        task_queue={"name": start.task_queue},
        input=Payloads(payloads=start.input),
        parent_close_policy=start.parent_close_policy,
        workflow_id_reuse_policy=start.workflow_id_reuse_policy,
    )
    run.child_ids[start.seq] = start.workflow_id
    run.step_names[event] = f"child {start.workflow_type}"
    run.children[start.seq] = Child(run, start.seq, start, event)


def _cancel_child(run: Run, command: WorkflowCommand) -> None:
    seq = command.cancel_child_workflow_execution.child_workflow_seq
    _request_cancel(run, run.child_ids[seq], "", None, child_only=True)


def _signal_external(run: Run, command: WorkflowCommand) -> None:
    target = command.signal_external_workflow_execution
    seq, is_child = target.seq, target.HasField("child_workflow_id")
    workflow_id = target.child_workflow_id if is_child else target.workflow_execution.workflow_id
    run_id = "" if is_child else target.workflow_execution.run_id
    execution = {"workflow_id": workflow_id, "run_id": run_id}
    event = run.record(
        "signal_external_workflow_execution_initiated",
        namespace="default",
        workflow_execution=execution,
        signal_name=target.signal_name,
        input=Payloads(payloads=target.args),
        child_workflow_only=is_child,
    )

    def send() -> None:
        target_run = run.world.find(workflow_id, run_id)
        fields: dict[str, Any] = {"initiated_event_id": event, "namespace": "default", "workflow_execution": execution}
        if target_run is not None and target_run.is_open:
            target_run.signal(target.signal_name, list(target.args))
            run.deliver("external_workflow_execution_signaled", jobs.signal_resolved(seq), **fields)
            return
        failure = Failure(message="Unable to signal external workflow because it was not found")
        failure.application_failure_info.type = _NOT_FOUND
        run.deliver("signal_external_workflow_execution_failed", jobs.signal_resolved(seq, failure), cause=1, **fields)

    # The signal is sent even if its sender has ended by then: not `run.later`.
    delay = run.world.choices.pick(f"signal {target.signal_name} {seq}{run.name_suffix}, delay", DELAYS, "lags")
    run.world.clock.call_later(delay, send)


def _cancel_external(run: Run, command: WorkflowCommand) -> None:
    target = command.request_cancel_external_workflow_execution
    execution = target.workflow_execution
    _request_cancel(run, execution.workflow_id, execution.run_id, target.seq, child_only=False)


def _request_cancel(run: Run, workflow_id: str, run_id: str, seq: int | None, *, child_only: bool) -> None:
    execution = {"workflow_id": workflow_id, "run_id": run_id}
    event = run.record(
        "request_cancel_external_workflow_execution_initiated",
        namespace="default",
        workflow_execution=execution,
        child_workflow_only=child_only,
    )

    def send() -> None:
        target_run = run.world.find(workflow_id, run_id)
        fields: dict[str, Any] = {"initiated_event_id": event, "namespace": "default", "workflow_execution": execution}
        if target_run is not None:  # the request succeeds even if the run has ended
            target_run.request_cancel()
            job = None if seq is None else jobs.cancel_resolved(seq)
            run.deliver("external_workflow_execution_cancel_requested", job, **fields)
            return
        failure = Failure(message="Unable to cancel external workflow because not found")
        failure.application_failure_info.type = _NOT_FOUND
        job = None if seq is None else jobs.cancel_resolved(seq, failure)
        run.deliver("request_cancel_external_workflow_execution_failed", job, cause=1, **fields)

    delay = run.world.choices.pick(f"cancel of {workflow_id}{run.name_suffix}, delay", DELAYS, "lags")
    run.world.clock.call_later(delay, send)


# Markers and attributes -------------------------------------------------------------------------------------------


def _set_patch_marker(run: Run, command: WorkflowCommand) -> None:
    patch = command.set_patch_marker
    data = {"id": patch.patch_id, "deprecated": patch.deprecated}
    run.record("marker_recorded", marker_name="core_patch", details={"patch-data": Payloads(payloads=[_json(data)])})
    if patch.patch_id not in run.patches:
        run.patches.append(patch.patch_id)
    patches = _json(sorted(run.patches))
    patches.metadata["type"] = b"KeywordList"
    run.record("upsert_workflow_search_attributes", search_attributes={"indexed_fields": {_VERSIONS: patches}})


def _upsert_search_attributes(run: Run, command: WorkflowCommand) -> None:
    attributes = command.upsert_workflow_search_attributes.search_attributes
    run.search_attributes.update(attributes.indexed_fields)
    run.record("upsert_workflow_search_attributes", search_attributes=attributes)


def _upsert_memo(run: Run, command: WorkflowCommand) -> None:
    memo = command.modify_workflow_properties.upserted_memo
    run.record("workflow_properties_modified", upserted_memo=memo)


# Completion -------------------------------------------------------------------------------------------------------


def _complete(run: Run, command: WorkflowCommand) -> None:
    completed = command.complete_workflow_execution
    result = completed.result if completed.HasField("result") else None
    run.close(
        "completed",
        "workflow_execution_completed",
        result,
        result=Payloads(payloads=[] if result is None else [result]),
        workflow_task_completed_event_id=run.completed_event,
    )


def _fail(run: Run, command: WorkflowCommand) -> None:
    failure = command.fail_workflow_execution.failure
    run.close(
        "failed",
        "workflow_execution_failed",
        failure,
        failure=failure,
        workflow_task_completed_event_id=run.completed_event,
    )


def _cancel(run: Run, _command: WorkflowCommand) -> None:
    run.close("cancelled", "workflow_execution_canceled", workflow_task_completed_event_id=run.completed_event)


def _continue_as_new(run: Run, command: WorkflowCommand) -> None:
    run.world.continue_as_new(run, command.continue_as_new_workflow_execution)


_HANDLERS: dict[str, Callable[[Run, WorkflowCommand], None]] = {
    "start_timer": _start_timer,
    "cancel_timer": _cancel_timer,
    "schedule_activity": _schedule_activity,
    "request_cancel_activity": _cancel_activity,
    "start_child_workflow_execution": _start_child,
    "cancel_child_workflow_execution": _cancel_child,
    "signal_external_workflow_execution": _signal_external,
    "request_cancel_external_workflow_execution": _cancel_external,
    "set_patch_marker": _set_patch_marker,
    "upsert_workflow_search_attributes": _upsert_search_attributes,
    "modify_workflow_properties": _upsert_memo,
    "complete_workflow_execution": _complete,
    "fail_workflow_execution": _fail,
    "cancel_workflow_execution": _cancel,
    "continue_as_new_workflow_execution": _continue_as_new,
}
