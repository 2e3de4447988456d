"""Jobs and failures, as Core and the server create them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure

from assay.lua.values import Json
from assay.temporal.core.protos import (
    StartChildWorkflowExecutionFailedCause,
    WorkflowActivationJob,
    WorkflowCommand,
)
from assay.temporal.data import payloads

_EXISTS = StartChildWorkflowExecutionFailedCause.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS
_RANKS = {
    "initialize_workflow": 0,
    "notify_has_patch": 1,
    "update_random_seed": 2,
    "signal_workflow": 3,
    "do_update": 3,
}
_LOCAL_RANK, _DEFAULT_RANK = 5, 4


def in_order(jobs: list[WorkflowActivationJob]) -> list[WorkflowActivationJob]:
    """Sort the jobs of an activation as Core does: start, patches, messages, then the others."""
    return sorted(jobs, key=_rank)


def _rank(job: WorkflowActivationJob) -> int:
    variant = job.WhichOneof("variant") or ""
    if variant == "resolve_activity" and job.resolve_activity.is_local:
        return _LOCAL_RANK
    return _RANKS.get(variant, _DEFAULT_RANK)


def arguments(values: Sequence[Json | None]) -> list[Payload]:
    """Convert values to payloads."""
    return [payloads.to_payload(value) for value in values]


def signal(name: str, input: Sequence[Payload]) -> WorkflowActivationJob:
    """Return the job of a signal."""
    job = WorkflowActivationJob()
    job.signal_workflow.signal_name = name
    job.signal_workflow.input.extend(input)
    return job


def update(id: str, name: str, input: Sequence[Payload]) -> WorkflowActivationJob:
    """Return the job of an update."""
    job = WorkflowActivationJob()
    target = job.do_update
    target.id, target.protocol_instance_id, target.name, target.run_validator = id, id, name, True
    target.input.extend(input)
    return job


def query(name: str, value: Json | None) -> WorkflowActivationJob:
    """Return the job of a query."""
    job = WorkflowActivationJob()
    job.query_workflow.query_id, job.query_workflow.query_type = "query", name
    if value is not None:
        job.query_workflow.arguments.append(payloads.to_payload(value))
    return job


def cancel(reason: str) -> WorkflowActivationJob:
    """Return the job of a cancellation request."""
    job = WorkflowActivationJob()
    job.cancel_workflow.reason = reason
    return job


def fire_timer(seq: int) -> WorkflowActivationJob:
    """Return the job of a timer that fired."""
    job = WorkflowActivationJob()
    job.fire_timer.seq = seq
    return job


def patch(id: str) -> WorkflowActivationJob:
    """Return the job of a patch in the history."""
    job = WorkflowActivationJob()
    job.notify_has_patch.patch_id = id
    return job


# Activities -------------------------------------------------------------------------------------------------------


def activity_completed(seq: int, result: Payload, *, is_local: bool = False) -> WorkflowActivationJob:
    """Return the job of an activity that completed."""
    job = WorkflowActivationJob()
    job.resolve_activity.seq, job.resolve_activity.is_local = seq, is_local
    job.resolve_activity.result.completed.result.CopyFrom(result)
    return job


def activity_failed(seq: int, failure: Failure, *, is_local: bool = False) -> WorkflowActivationJob:
    """Return the job of an activity that failed."""
    job = WorkflowActivationJob()
    job.resolve_activity.seq, job.resolve_activity.is_local = seq, is_local
    job.resolve_activity.result.failed.failure.CopyFrom(failure)
    return job


def activity_cancelled(seq: int, failure: Failure, *, is_local: bool = False) -> WorkflowActivationJob:
    """Return the job of an activity that was cancelled."""
    job = WorkflowActivationJob()
    job.resolve_activity.seq, job.resolve_activity.is_local = seq, is_local
    job.resolve_activity.result.cancelled.failure.CopyFrom(failure)
    return job


def activity_backoff(seq: int, attempt: int, seconds: float, scheduled: int) -> WorkflowActivationJob:
    """Return the job that asks for a timer before the next attempt of a local activity."""
    job = WorkflowActivationJob()
    job.resolve_activity.seq, job.resolve_activity.is_local = seq, True
    backoff = job.resolve_activity.result.backoff
    backoff.attempt = attempt
    backoff.backoff_duration.FromNanoseconds(round(seconds * 1e9))
    backoff.original_schedule_time.FromNanoseconds(scheduled)
    return job


def activity_failure(message: str, name: str, id: str, state: RetryState.ValueType, cause: Failure) -> Failure:
    """Return the failure of an activity."""
    failure = Failure(message=message)
    failure.activity_failure_info.activity_type.name = name
    failure.activity_failure_info.activity_id = id
    failure.activity_failure_info.retry_state = state
    failure.cause.CopyFrom(cause)
    return failure


def cancelled_activity(name: str, id: str) -> Failure:
    """Return the failure of an activity that was cancelled."""
    return activity_failure("Activity cancelled", name, id, RetryState.RETRY_STATE_CANCEL_REQUESTED, cancelled())


def cancelled(message: str = "") -> Failure:
    """Return a cancellation failure."""
    failure = Failure(message=message)
    failure.canceled_failure_info.SetInParent()
    return failure


_TIMEOUT_MESSAGES = {
    TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE: "activity StartToClose timeout",
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START: "activity ScheduleToStart timeout",
    TimeoutType.TIMEOUT_TYPE_HEARTBEAT: "activity Heartbeat timeout",
}


def timed_out(kind: TimeoutType.ValueType, cause: Failure | None = None) -> Failure:
    """Return the failure of an attempt that timed out."""
    failure = Failure(message=_TIMEOUT_MESSAGES[kind], source="Server")
    failure.timeout_failure_info.timeout_type = kind
    if cause is not None:
        failure.cause.CopyFrom(cause)
    return failure


def deadline_exceeded(cause: Failure | None) -> Failure:
    """Return the failure of an activity that reached its schedule-to-close timeout."""
    message = "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying"
    failure = Failure(message=message, source="Server")
    failure.timeout_failure_info.timeout_type = TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
    if cause is not None:
        failure.cause.CopyFrom(cause)
    return failure


# Other workflows --------------------------------------------------------------------------------------------------


def child_started(seq: int, run_id: str) -> WorkflowActivationJob:
    """Return the job of a child workflow that started."""
    job = WorkflowActivationJob()
    job.resolve_child_workflow_execution_start.seq = seq
    job.resolve_child_workflow_execution_start.succeeded.run_id = run_id
    return job


def child_not_started(seq: int, workflow_type: str, workflow_id: str) -> WorkflowActivationJob:
    """Return the job of a child workflow that was not started because its id is in use."""
    job = WorkflowActivationJob()
    job.resolve_child_workflow_execution_start.seq = seq
    failed = job.resolve_child_workflow_execution_start.failed
    failed.workflow_type, failed.workflow_id, failed.cause = workflow_type, workflow_id, _EXISTS
    return job


def child_start_cancelled(seq: int, failure: Failure) -> WorkflowActivationJob:
    """Return the job of a child workflow that was cancelled before its start."""
    job = WorkflowActivationJob()
    job.resolve_child_workflow_execution_start.seq = seq
    job.resolve_child_workflow_execution_start.cancelled.failure.CopyFrom(failure)
    return job


def child_completed(seq: int, result: Payload | None) -> WorkflowActivationJob:
    """Return the job of a child workflow that completed."""
    job = WorkflowActivationJob()
    job.resolve_child_workflow_execution.seq = seq
    completed = job.resolve_child_workflow_execution.result.completed
    completed.SetInParent()
    if result is not None:
        completed.result.CopyFrom(result)
    return job


def child_failed(seq: int, failure: Failure) -> WorkflowActivationJob:
    """Return the job of a child workflow that failed."""
    job = WorkflowActivationJob()
    job.resolve_child_workflow_execution.seq = seq
    job.resolve_child_workflow_execution.result.failed.failure.CopyFrom(failure)
    return job


def child_cancelled(seq: int, failure: Failure) -> WorkflowActivationJob:
    """Return the job of a child workflow that was cancelled."""
    job = WorkflowActivationJob()
    job.resolve_child_workflow_execution.seq = seq
    job.resolve_child_workflow_execution.result.cancelled.failure.CopyFrom(failure)
    return job


def child_failure(
    message: str, workflow_type: str, workflow_id: str, run_id: str, cause: Failure, state: RetryState.ValueType
) -> Failure:
    """Return the failure of a child workflow."""
    failure = Failure(message=message)
    info = failure.child_workflow_execution_failure_info
    info.workflow_type.name = workflow_type
    info.workflow_execution.workflow_id, info.workflow_execution.run_id = workflow_id, run_id
    info.retry_state = state
    failure.cause.CopyFrom(cause)
    return failure


def signal_resolved(seq: int, failure: Failure | None = None) -> WorkflowActivationJob:
    """Return the job that resolves a signal to another workflow."""
    job = WorkflowActivationJob()
    job.resolve_signal_external_workflow.seq = seq
    if failure is not None:
        job.resolve_signal_external_workflow.failure.CopyFrom(failure)
    return job


def cancel_resolved(seq: int, failure: Failure | None = None) -> WorkflowActivationJob:
    """Return the job that resolves a cancellation request for another workflow."""
    job = WorkflowActivationJob()
    job.resolve_request_cancel_external_workflow.seq = seq
    if failure is not None:
        job.resolve_request_cancel_external_workflow.failure.CopyFrom(failure)
    return job


CLOSING = frozenset(
    {
        "complete_workflow_execution",
        "fail_workflow_execution",
        "cancel_workflow_execution",
        "continue_as_new_workflow_execution",
    }
)
"""Kinds of commands that end a run."""


def closes(command: WorkflowCommand) -> bool:
    """Return true if a command ends its run."""
    return command.WhichOneof("variant") in CLOSING


def variant(message: Any) -> str:
    """Return the kind of a job or a command."""
    return message.WhichOneof("variant") or ""
