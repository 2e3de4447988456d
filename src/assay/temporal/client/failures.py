"""Conversion of the SDK client's errors into Lua errors."""

from __future__ import annotations

import re
from typing import Any

from temporalio.client import (
    ActivityFailureError,
    AsyncActivityCancelledError,
    RPCTimeoutOrCancelledError,
    ScheduleAlreadyRunningError,
    WorkflowContinuedAsNewError,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import (
    ActivityAlreadyStartedError,
    CancelledError,
    FailureError,
    TerminatedError,
    TimeoutError,
    WorkflowAlreadyStartedError,
)
from temporalio.service import RPCError, RPCStatusCode

from assay.errors import BuiltinError, ErrorObject
from assay.temporal.data import failures, payloads

NO_RESPONSE = "no response from the server within rpc_timeout"
_KINDS = {CancelledError: "cancelled", TerminatedError: "terminated", TimeoutError: "timeout"}
"""Kinds of the errors that the SDK raises without a failure from the server."""


def describe(error: BaseException) -> dict[str, Any]:
    """Return the fields of the Lua error object for an SDK error."""
    if isinstance(error, FailureError) and error.failure is not None:
        return failures.fields(error.failure)
    kind = next((kind for cls, kind in _KINDS.items() if isinstance(error, cls)), "application")
    message = error.message if isinstance(error, FailureError) else str(error)
    described: dict[str, Any] = {"kind": kind, "cause": None, "message": message or kind}
    details = [payloads.to_python(payloads.to_json(item)) for item in getattr(error, "details", ())]
    if details:
        described["details"] = details[0] if len(details) == 1 else details
    if isinstance(error, TimeoutError):
        described["type"] = error.type.name.lower() if error.type is not None else None
    return described


_SCHEDULER_NOT_FOUND = "workflow not found for ID: temporal-sys-scheduler:"
"""Start of the server's message for a schedule that does not exist."""

_TOO_LARGE = ("Blob data size exceeds limit.", "grpc: received message larger than max")
"""Starts of the messages for an oversized payload: the server's, and gRPC's own."""

_UNIMPLEMENTED = re.compile(r"[Mm]ethod \S*?(\w+) is unimplemented")
"""Servers' message for a method that they do not implement."""

_RPC_KINDS = {
    RPCStatusCode.NOT_FOUND: "not_found",
    RPCStatusCode.ALREADY_EXISTS: "already_started",
    RPCStatusCode.CANCELLED: "cancelled",
    RPCStatusCode.DEADLINE_EXCEEDED: "timeout",
}


_UNEXPLAINED = "Workflow terminated"
"""The SDK's message for a workflow that was terminated without a reason."""


def _ended_from_outside(subject: str, cause: BaseException) -> str | None:
    """Return the message for a termination, cancellation or timeout; None if the workflow's own code failed."""
    if not isinstance(cause, FailureError) or cause.failure is not None:
        return None  # the workflow reported this failure itself
    if isinstance(cause, TerminatedError):
        reason = "" if cause.message == _UNEXPLAINED else f": {cause.message}"
        return f"{subject} was terminated{reason}"
    if isinstance(cause, CancelledError):
        return f"{subject} was cancelled"
    return f"{subject} timed out" if isinstance(cause, TimeoutError) else None


def client_error(title: str, error: BaseException, subject: str) -> ErrorObject | BuiltinError | None:
    """Convert an error of an SDK call into a Lua error; return None if it is not an error of the SDK.

    `subject` names the workflow or activity in messages.
    """
    if isinstance(error, WorkflowFailureError | WorkflowUpdateFailedError | ActivityFailureError):
        fields = describe(error.cause)
        message = fields.pop("message")
        return ErrorObject(_ended_from_outside(subject, error.cause) or message, **fields)
    if isinstance(error, WorkflowAlreadyStartedError):
        return ErrorObject(
            f"{title}: workflow '{error.workflow_id}' has already started",
            kind="already_started",
            workflow_id=error.workflow_id,
            run_id=error.run_id,
        )
    if isinstance(error, ActivityAlreadyStartedError):
        return ErrorObject(f"{title}: activity '{error.activity_id}' has already started", kind="already_started")
    if isinstance(error, ScheduleAlreadyRunningError):
        return ErrorObject(f"{title}: a schedule with this id already exists", kind="already_started")
    if isinstance(error, WorkflowQueryFailedError):
        hidden = error.message == failures.HIDDEN_MESSAGE
        text = "the query failed; its error is encrypted" if hidden else error.message
        return ErrorObject(f"{title}: {text}", kind="application", type="QueryFailed")
    if isinstance(error, WorkflowQueryRejectedError):
        status = "not running" if error.status is None else error.status.name
        return ErrorObject(
            f"{title}: the query was rejected, because the workflow is {status}",
            kind="application",
            type="QueryRejected",
            status=status,
        )
    if isinstance(error, AsyncActivityCancelledError):
        return ErrorObject(f"{title}: the activity was cancelled", kind="cancelled")
    if isinstance(error, RPCTimeoutOrCancelledError):
        return ErrorObject(f"{title}: {NO_RESPONSE}", kind="timeout")
    if isinstance(error, WorkflowContinuedAsNewError):
        return ErrorObject(
            f"{title}: the workflow continued as new", kind="application", run_id=error.new_execution_run_id
        )
    if isinstance(error, RPCError):
        if error.status == RPCStatusCode.CANCELLED and error.message == "Timeout expired":
            return ErrorObject(f"{title}: {NO_RESPONSE}", kind="timeout")
        kind = _RPC_KINDS.get(error.status, "rpc")
        if error.status == RPCStatusCode.UNIMPLEMENTED and (match := _UNIMPLEMENTED.search(error.message)):
            text = f"{title}: this Temporal server does not implement {match[1]}"
            return ErrorObject(text, kind=kind, type=error.status.name)
        message = error.message.replace(_SCHEDULER_NOT_FOUND, "there is no schedule ")
        if message.startswith(_TOO_LARGE):
            message = "a payload exceeds the Temporal server's size limit: store it elsewhere and pass a reference"
        return ErrorObject(f"{title}: {message}", kind=kind, type=error.status.name)
    return None
