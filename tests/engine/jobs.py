"""Activation jobs, as Core sends them."""

from __future__ import annotations

from typing import Any

import orjson
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.activity_result import ActivityResolution
from temporalio.bridge.proto.child_workflow import ChildWorkflowResult
from temporalio.bridge.proto.nexus import NexusOperationResult
from temporalio.bridge.proto.workflow_activation import DoUpdate, InitializeWorkflow, WorkflowActivationJob

WORKFLOW_ID = "the-workflow"
RUN_ID = "the-run"
SEED = 42


def payload(value: Any) -> Payload:
    """Return the payload of a value; a payload is returned unchanged."""
    if isinstance(value, Payload):
        return value
    if value is None:
        return Payload(metadata={"encoding": b"binary/null"})
    return raw(orjson.dumps(value))


def raw(data: bytes, encoding: bytes = b"json/plain") -> Payload:
    """Return a payload with any data."""
    return Payload(metadata={"encoding": encoding}, data=data)


def payloads(values: tuple[Any, ...]) -> list[Payload]:
    """Return the payloads of several values."""
    return [payload(value) for value in values]


# The start, and messages ------------------------------------------------------------------------------------------


def initialize(*arguments: Any, **fields: Any) -> WorkflowActivationJob:
    """Start the run."""
    given: dict[str, Any] = {"workflow_type": "W", "workflow_id": WORKFLOW_ID, "randomness_seed": SEED, **fields}
    start = InitializeWorkflow(arguments=payloads(arguments), **given)
    start.start_time.FromSeconds(1_000)
    return WorkflowActivationJob(initialize_workflow=start)


def signal(name: str, *arguments: Any) -> WorkflowActivationJob:
    """Deliver a signal."""
    return _job("signal_workflow", signal_name=name, input=payloads(arguments))


def update(name: str, *arguments: Any, id: str = "u1", run_validator: bool = True) -> WorkflowActivationJob:
    """Deliver an update."""
    given = DoUpdate(
        id=id, protocol_instance_id=f"{id}-p", name=name, input=payloads(arguments), run_validator=run_validator
    )
    return WorkflowActivationJob(do_update=given)


def query(name: str, *arguments: Any) -> WorkflowActivationJob:
    """Deliver a query."""
    return _job("query_workflow", query_id="q1", query_type=name, arguments=payloads(arguments))


def cancel(reason: str = "") -> WorkflowActivationJob:
    """Cancel the workflow."""
    return _job("cancel_workflow", reason=reason)


# Results ----------------------------------------------------------------------------------------------------------


def fire(seq: int) -> WorkflowActivationJob:
    """Fire a timer."""
    return _job("fire_timer", seq=seq)


def activity(seq: int, result: Any = None, *, failure: Failure | None = None) -> WorkflowActivationJob:
    """End an activity with a result or a failure, which may be a cancellation."""
    return _activity(seq, result, failure, is_local=False)


def local_activity(seq: int, result: Any = None, *, failure: Failure | None = None) -> WorkflowActivationJob:
    """End a local activity."""
    return _activity(seq, result, failure, is_local=True)


def backoff(seq: int, seconds: int, attempt: int = 2) -> WorkflowActivationJob:
    """Request a timer before the next attempt of a local activity."""
    resolution = ActivityResolution()
    resolution.backoff.attempt = attempt
    resolution.backoff.backoff_duration.FromSeconds(seconds)
    resolution.backoff.original_schedule_time.FromSeconds(1_000)
    return _job("resolve_activity", seq=seq, result=resolution, is_local=True)


def child_started(seq: int, run_id: str = "child-run") -> WorkflowActivationJob:
    """Report that a child workflow has started."""
    return _job("resolve_child_workflow_execution_start", seq=seq, succeeded={"run_id": run_id})


def child_not_started(seq: int, cause: int, workflow_id: str = "child") -> WorkflowActivationJob:
    """Report that a child workflow cannot be started."""
    failed = {"workflow_id": workflow_id, "workflow_type": "Child", "cause": cause}
    return _job("resolve_child_workflow_execution_start", seq=seq, failed=failed)


def child_cancelled_before_start(seq: int) -> WorkflowActivationJob:
    """Report that a child workflow was cancelled before it started."""
    return _job("resolve_child_workflow_execution_start", seq=seq, cancelled={"failure": child_failure(cancelled())})


def child(seq: int, result: Any = None, *, failure: Failure | None = None) -> WorkflowActivationJob:
    """End a child workflow."""
    return _job("resolve_child_workflow_execution", seq=seq, result=_status(ChildWorkflowResult(), result, failure))


def signal_sent(seq: int, failure: Failure | None = None) -> WorkflowActivationJob:
    """Report the outcome of a signal to another workflow."""
    return _job("resolve_signal_external_workflow", seq=seq, failure=failure)


def cancel_requested(seq: int, failure: Failure | None = None) -> WorkflowActivationJob:
    """Report the outcome of a cancel request for another workflow."""
    return _job("resolve_request_cancel_external_workflow", seq=seq, failure=failure)


def nexus_started(seq: int, failure: Failure | None = None) -> WorkflowActivationJob:
    """Report that a Nexus operation has started or failed to start."""
    fields = {"operation_token": "token"} if failure is None else {"failed": failure}
    return _job("resolve_nexus_operation_start", seq=seq, **fields)


def nexus(seq: int, result: Any = None, *, failure: Failure | None = None) -> WorkflowActivationJob:
    """End a Nexus operation."""
    outcome = NexusOperationResult(completed=payload(result)) if failure is None else NexusOperationResult()
    if failure is not None:
        is_cancelled = failure.cause.HasField("canceled_failure_info")
        (outcome.cancelled if is_cancelled else outcome.failed).CopyFrom(failure)
    return _job("resolve_nexus_operation", seq=seq, result=outcome)


def has_patch(id: str) -> WorkflowActivationJob:
    """Report that the history contains a patch."""
    return _job("notify_has_patch", patch_id=id)


def new_seed(seed: int) -> WorkflowActivationJob:
    """Change the seed, as a reset does."""
    return _job("update_random_seed", randomness_seed=seed)


def remove(reason: int = 0, message: str = "") -> WorkflowActivationJob:
    """Remove the run from the cache."""
    return _job("remove_from_cache", reason=reason, message=message)


# Failures ---------------------------------------------------------------------------------------------------------


def application(message: str, type: str = "Oops", *details: Any) -> Failure:
    """Return an application failure."""
    failure = Failure(message=message)
    failure.application_failure_info.type = type
    failure.application_failure_info.details.payloads.extend(payloads(details))
    return failure


def cancelled() -> Failure:
    """Return a cancellation failure."""
    failure = Failure(message="cancelled")
    failure.canceled_failure_info.SetInParent()
    return failure


def activity_failure(cause: Failure, name: str = "act") -> Failure:
    """Return the failure of an activity."""
    failure = Failure(message="activity error", cause=cause)
    failure.activity_failure_info.activity_type.name = name
    return failure


def child_failure(cause: Failure) -> Failure:
    """Return the failure of a child workflow."""
    failure = Failure(message="child workflow error", cause=cause)
    failure.child_workflow_execution_failure_info.workflow_type.name = "Child"
    return failure


def nexus_failure(cause: Failure) -> Failure:
    """Return the failure of a Nexus operation."""
    failure = Failure(message="nexus operation error", cause=cause)
    info = failure.nexus_operation_execution_failure_info
    info.endpoint, info.service, info.operation = "end", "Service", "op"
    return failure


def _activity(seq: int, result: Any, failure: Failure | None, *, is_local: bool) -> WorkflowActivationJob:
    resolution = _status(ActivityResolution(), result, failure)
    return _job("resolve_activity", seq=seq, result=resolution, is_local=is_local)


def _status(outcome: Any, result: Any, failure: Failure | None) -> Any:
    if failure is None:
        outcome.completed.result.CopyFrom(payload(result))
    elif failure.HasField("canceled_failure_info") or failure.cause.HasField("canceled_failure_info"):
        outcome.cancelled.failure.CopyFrom(failure)
    else:
        outcome.failed.failure.CopyFrom(failure)
    return outcome


def _job(variant: str, **fields: Any) -> WorkflowActivationJob:
    made = WorkflowActivationJob()
    target = getattr(made, variant)
    target.SetInParent()
    target.MergeFrom(type(target)(**{name: value for name, value in fields.items() if value is not None}))
    return made
