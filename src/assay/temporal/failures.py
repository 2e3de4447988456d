"""Failures: Lua errors to Temporal's, and Temporal's to Lua error objects."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson
from nexusrpc import HandlerError
from temporalio.api.failure.v1 import Failure
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
from temporalio.common import RawValue
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import (
    ActivityAlreadyStartedError,
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    ChildWorkflowError,
    FailureError,
    NexusOperationError,
    TerminatedError,
    TimeoutError,
    WorkflowAlreadyStartedError,
)
from temporalio.service import RPCError, RPCStatusCode

from assay.errors import BuiltinError, ErrorObject, LuaError
from assay.lua.values import Json
from assay.temporal import payloads

DEFAULT_TYPE = "LuaError"
HIDDEN_MESSAGE = "Encoded failure"  # the text that Temporal's SDKs put there
NO_ANSWER = "no answer from the server within rpc_timeout"
MOST_TEXT = 64 * 1024
"""Characters of an error's message: the server refuses a failure that is too large, again and again."""
MOST_DATA = 1000
"""Characters of a message that is made of an error table without one: all of it is in the details."""
MOST_DETAILS = payloads.USUAL_LIMIT - 8 * MOST_TEXT
"""Bytes of an error's details, beside the message in UTF-8 and the traceback."""
_CATEGORIES = {"benign": ApplicationErrorCategory.BENIGN}
_POSITION = re.compile(r"^\S[^\n]*?:\d+: ")
_TYPE = re.compile(r"^([A-Z][A-Z0-9_]*)(?:: |$)")


class UnknownQueryError(ApplicationError):
    """A query that the workflow has not registered. Its message consists of names."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type="UnknownQuery")


class LuaFailureConverter(DefaultFailureConverter):
    """Puts the Lua traceback where Temporal shows a failure's stack trace."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Convert, then replace Python's stack trace by Lua's."""
        super().to_failure(exception, payload_converter, failure)
        failure.stack_trace = getattr(exception, "lua_traceback", "")
        if failure.message.startswith("Failed decoding") and isinstance(exception.__cause__, BuiltinError):
            failure.message += f": {exception.__cause__}"  # the SDK hides what the codec said in the cause

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:
        """Convert; a message that was encrypted is back in its place before."""
        return super().from_failure(_revealed(failure), payload_converter)


class HiddenFailureConverter(LuaFailureConverter):
    """Also moves messages and stack traces where the codec encrypts them."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Convert, then hide the texts of the failure and of its causes."""
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, UnknownQueryError):
            return  # names are never encrypted, and of a failed query only the message comes back
        level = failure
        while True:
            if not level.HasField("encoded_attributes"):
                texts = {"message": level.message, "stack_trace": level.stack_trace}
                level.encoded_attributes.CopyFrom(payloads.to_payload(Json(orjson.dumps(texts))))
                level.message, level.stack_trace = HIDDEN_MESSAGE, ""
            if not level.HasField("cause"):
                return
            level = level.cause


def _revealed(failure: Failure) -> Failure:
    if not failure.HasField("encoded_attributes"):
        return failure
    revealed = Failure()
    revealed.CopyFrom(failure)
    revealed.ClearField("encoded_attributes")
    attributes = payloads.from_payload(failure.encoded_attributes)
    texts = payloads.to_python(attributes) if attributes is not None else None
    if isinstance(texts, dict):
        revealed.message = str(texts.get("message", failure.message))
        revealed.stack_trace = str(texts.get("stack_trace", failure.stack_trace))
    return revealed


def to_application_error(error: LuaError) -> ApplicationError:
    """The Temporal failure of an uncaught Lua error.

    A table value gives `type`, `message`, `details`, `non_retryable`, `next_retry_delay` (seconds), `category`
    ("benign" for what is expected) and `cause` (a text, or such a table, as errors that were caught are); a text of the
    form `TYPE: message`, or `TYPE` alone, gives the type. The message shows a table that has no text of its own; one
    without `type` and `details` too is all details.
    """
    value = error.value if isinstance(error.value, dict) else {}
    message = value.get("message")
    text = message if isinstance(message, str) else error.message
    if error.report != error.message:
        text = _cut(error.report, MOST_DATA)
    kind = value.get("type")
    if not isinstance(kind, str):
        found = _TYPE.match(_POSITION.sub("", text, count=1))
        kind = found[1] if found else DEFAULT_TYPE
    given = value.get("details") if "details" in value or "message" in value or "type" in value else error.value
    details = [] if given is None else [RawValue(payloads.to_payload(Json(orjson.dumps(given))))]
    text = _cut(text, MOST_TEXT)
    size = sum(len(item.payload.data) for item in details)
    if size > MOST_DETAILS:
        text += f" (its details, {size} bytes, are left out: the Temporal server takes at most {MOST_DETAILS})"
        details = []
    delay = value.get("next_retry_delay")
    failure = ApplicationError(
        text,
        *details,
        type=kind,
        non_retryable=value.get("non_retryable") is True,
        next_retry_delay=timedelta(seconds=delay) if isinstance(delay, int | float) and delay >= 0 else None,
        category=_CATEGORIES.get(str(value.get("category")), ApplicationErrorCategory.UNSPECIFIED),
    )
    failure.lua_traceback = error.traceback  # type: ignore[attr-defined]
    cause = value.get("cause")
    if isinstance(cause, dict):
        failure.__cause__ = to_application_error(LuaError(str(cause.get("message", "")), cause))
    elif isinstance(cause, str):
        failure.__cause__ = to_application_error(LuaError(cause))
    return failure


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… (of {len(text)} characters)"


def _details(details: Sequence[Any]) -> Any:
    values = []
    for item in details:
        if isinstance(item, RawValue):
            values.append(payloads.to_python(payloads.to_json(item)))
        else:
            values.append(item)
    return values[0] if len(values) == 1 else values or None


def describe(error: BaseException) -> dict[str, Any]:
    """The fields of the Lua error object of a Temporal error."""
    cause = error.__cause__ if isinstance(error, FailureError | HandlerError) else None
    inner = describe(cause) if cause is not None else None
    message = error.message if isinstance(error, FailureError) else str(error)
    fields: dict[str, Any] = {"kind": "application", "cause": inner}
    if isinstance(error, ActivityError):
        fields |= {
            "kind": "activity",
            "activity_type": error.activity_type,
            "activity_id": error.activity_id,
            "retry_state": error.retry_state.name.lower() if error.retry_state is not None else None,
        }
        message = f"activity '{error.activity_type}' failed: {inner['message'] if inner else message}"
    elif isinstance(error, ChildWorkflowError):
        fields |= {
            "kind": "child_workflow",
            "workflow_type": error.workflow_type,
            "workflow_id": error.workflow_id,
            "run_id": error.run_id,
            "retry_state": error.retry_state.name.lower() if error.retry_state is not None else None,
        }
        message = f"child workflow '{error.workflow_type}' failed: {inner['message'] if inner else message}"
    elif isinstance(error, NexusOperationError):
        fields |= {
            "kind": "nexus",
            "endpoint": error.endpoint,
            "service": error.service,
            "operation": error.operation,
        }
        message = f"operation '{error.operation}' of Nexus service '{error.service}' failed: "
        message += inner["message"] if inner else error.message
    elif isinstance(error, HandlerError):
        fields |= {"type": (inner and inner.get("type")) or error.raw_error_type, "non_retryable": not error.retryable}
        message += f": {inner['message']}" if inner else ""
    elif isinstance(error, ApplicationError):
        fields |= {"type": error.type, "details": _details(error.details), "non_retryable": error.non_retryable}
        if error.category == ApplicationErrorCategory.BENIGN:
            fields["category"] = "benign"
    elif isinstance(error, TimeoutError):
        fields |= {"kind": "timeout", "type": error.type.name.lower() if error.type is not None else None}
        fields["details"] = _details(error.last_heartbeat_details)
    elif isinstance(error, CancelledError | asyncio.CancelledError):
        fields |= {"kind": "cancelled", "details": _details(getattr(error, "details", ()))}
        message = message or "cancelled"
    elif isinstance(error, WorkflowAlreadyStartedError):
        fields |= {"kind": "already_started", "workflow_id": error.workflow_id}
        message = f"workflow '{error.workflow_id}' has already started"
    elif isinstance(error, TerminatedError):
        fields |= {"kind": "terminated", "details": _details(error.details)}
    if inner is not None:
        for name in ("type", "details", "non_retryable"):
            if fields.get(name) is None:
                fields[name] = inner.get(name)
    if inner is not None and inner["kind"] == "cancelled":
        fields["kind"] = "cancelled"
    return {**fields, "message": message}


def to_error_object(error: FailureError) -> ErrorObject:
    """The Lua error object of a failure; uncaught, it leaves the workflow as the failure that it was."""
    fields = describe(error)
    raised = ErrorObject(fields.pop("message"), **fields)
    raised.origin = error
    return raised


_SCHEDULER_NOT_FOUND = "workflow not found for ID: temporal-sys-scheduler:"
"""How the server says that a schedule is not there."""

_TOO_LARGE = ("Blob data size exceeds limit.", "grpc: received message larger than max")
"""How the server refuses a payload; the second is how the messages of one that gRPC itself refuses begin."""

_RPC_KINDS = {
    RPCStatusCode.NOT_FOUND: "not_found",
    RPCStatusCode.ALREADY_EXISTS: "already_started",
    RPCStatusCode.CANCELLED: "cancelled",
    RPCStatusCode.DEADLINE_EXCEEDED: "timeout",
}


def client_error(title: str, error: BaseException) -> ErrorObject | BuiltinError | None:
    """The Lua error of what a client call raised, or None when it is not one of the SDK's."""
    if isinstance(error, WorkflowFailureError | WorkflowUpdateFailedError | ActivityFailureError):
        fields = describe(error.cause)
        return ErrorObject(fields.pop("message"), **fields)
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
        return ErrorObject(f"{title}: there is a schedule with this id", kind="already_started")
    if isinstance(error, WorkflowQueryFailedError):
        hidden = error.message == HIDDEN_MESSAGE
        text = "the query failed, and its encrypted error stays there" if hidden else error.message
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
        return ErrorObject(f"{title}: {NO_ANSWER}", kind="timeout")
    if isinstance(error, WorkflowContinuedAsNewError):
        return ErrorObject(
            f"{title}: the workflow continued as new", kind="application", run_id=error.new_execution_run_id
        )
    if isinstance(error, RPCError):
        if error.status == RPCStatusCode.CANCELLED and error.message == "Timeout expired":
            return ErrorObject(f"{title}: {NO_ANSWER}", kind="timeout")
        kind = _RPC_KINDS.get(error.status, "rpc")
        message = error.message.replace(_SCHEDULER_NOT_FOUND, "there is no schedule ")
        if message.startswith(_TOO_LARGE):
            message = "a payload is larger than the Temporal server takes: store it elsewhere and pass its name"
        return ErrorObject(f"{title}: {message}", kind=kind, type=error.status.name)
    return None
