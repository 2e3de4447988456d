"""Conversion between Lua errors and Temporal failures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import (
    ApplicationErrorCategory,
    NexusHandlerErrorRetryBehavior,
    RetryState,
    TimeoutType,
)
from temporalio.api.failure.v1 import Failure

from assay.errors import BuiltinError, ErrorObject, LuaError
from assay.lua.values import Json, Value
from assay.temporal.data import payloads

DEFAULT_TYPE = "LuaError"
HIDDEN_MESSAGE = "Encoded failure"
"""Placeholder of Temporal's SDKs for an encrypted message."""

MAX_TEXT = 64 * 1024
"""Maximum length of an error's message: the server rejects a failure that is too large on every retry."""

MAX_DATA = 1000
"""Maximum length of a message that represents an error table; the details contain the whole table."""

MAX_DETAILS = payloads.USUAL_LIMIT - 8 * MAX_TEXT
"""Maximum bytes of an error's details, which leaves room for the message in UTF-8 and the traceback."""

_POSITION = re.compile(r"^\S[^\n]*?:\d+: ")
_TYPE = re.compile(r"^([A-Z][A-Z0-9_]*)(?:: |$)")
_BENIGN = ApplicationErrorCategory.APPLICATION_ERROR_CATEGORY_BENIGN
_MAX_DELAY = 315_576_000_000.0
"""Maximum of a protobuf duration, in seconds."""


# Lua → Temporal ---------------------------------------------------------------------------------------------------


def of_lua_error(error: LuaError) -> Failure:
    """Return the failure of an uncaught Lua error.

    An error table may have `type`, `message`, `details`, `non_retryable`, `next_retry_delay` (seconds), `category`
    ("benign" for an expected error) and `cause` (a string, or another such table). An error string `TYPE: message`, or
    just `TYPE`, sets the type.
    """
    value = error.value if isinstance(error.value, dict) else {}
    message = value.get("message")
    text = message if isinstance(message, str) else error.message
    if error.report != error.message:
        text = _cut(error.report, MAX_DATA)
    kind = value.get("type")
    if not isinstance(kind, str):
        match = _TYPE.match(_POSITION.sub("", text, count=1))
        kind = match[1] if match else DEFAULT_TYPE
    data = value.get("details") if value.keys() & {"details", "message", "type"} else error.value
    details = None if data is None else payloads.to_payload(Json(orjson.dumps(data)))
    text = _cut(text, MAX_TEXT)
    size = 0 if details is None else len(details.data)
    if size > MAX_DETAILS:
        text += f" (details omitted: {size} bytes, the Temporal server accepts at most {MAX_DETAILS})"
        details = None
    failure = application(text, kind, non_retryable=value.get("non_retryable") is True, details=details)
    failure.stack_trace = error.traceback if isinstance(error.traceback, str) else ""
    delay = value.get("next_retry_delay")
    if isinstance(delay, int | float) and not isinstance(delay, bool) and 0 <= delay < _MAX_DELAY:
        failure.application_failure_info.next_retry_delay.FromNanoseconds(int(delay * 1_000_000_000))
    if value.get("category") == "benign":
        failure.application_failure_info.category = _BENIGN
    cause = value.get("cause")
    if isinstance(cause, dict):
        failure.cause.CopyFrom(of_lua_error(LuaError(str(cause.get("message", "")), cause)))
    elif isinstance(cause, str):
        failure.cause.CopyFrom(of_lua_error(LuaError(cause)))
    return failure


def application(message: str, kind: str, *, non_retryable: bool = False, details: Payload | None = None) -> Failure:
    """Return an application failure."""
    failure = Failure(message=message, source="assay")
    info = failure.application_failure_info
    info.type, info.non_retryable = kind, non_retryable
    if details is not None:
        info.details.payloads.append(details)
    return failure


def is_benign(failure: Failure) -> bool:
    """Return true if a failure is expected and needs no attention."""
    return failure.application_failure_info.category == _BENIGN


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… (of {len(text)} characters)"


# Encoded attributes -----------------------------------------------------------------------------------------------


def hide(failure: Failure) -> None:
    """Move the messages and stack traces of a failure and its causes to `encoded_attributes`, which are encrypted."""
    level = failure
    while True:
        if not level.HasField("encoded_attributes"):
            texts = {"message": level.message, "stack_trace": level.stack_trace}
            level.encoded_attributes.CopyFrom(payloads.to_payload(Json(orjson.dumps(texts))))
            level.message, level.stack_trace = HIDDEN_MESSAGE, ""
        if not level.HasField("cause"):
            return
        level = level.cause


def reveal(failure: Failure) -> Failure:
    """Undo `hide` for a failure, but not for its causes; returns a copy if anything changes."""
    if not failure.HasField("encoded_attributes"):
        return failure
    revealed = Failure()
    revealed.CopyFrom(failure)
    revealed.ClearField("encoded_attributes")
    revealed.message, revealed.stack_trace = _texts(failure)
    return revealed


def _texts(failure: Failure) -> tuple[str, str]:
    """Return the message and the stack trace of a failure, decoded if `hide` has moved them."""
    if failure.HasField("encoded_attributes"):
        try:
            texts = payloads.read_python(failure.encoded_attributes)
        except BuiltinError:
            texts = None
        if isinstance(texts, dict):
            return str(texts.get("message", failure.message)), str(texts.get("stack_trace", failure.stack_trace))
    return failure.message, failure.stack_trace


# Temporal → Lua ---------------------------------------------------------------------------------------------------


def to_error_object(failure: Failure) -> ErrorObject:
    """Return the Lua error object of a failure. If a workflow does not catch it, it fails with the same failure."""
    described = fields(failure)
    raised = ErrorObject(described.pop("message"), **described)
    raised.origin = FailureOrigin(failure)
    return raised


class FailureOrigin(Exception):
    """The failure behind a Lua error object."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def fields(failure: Failure) -> dict[str, Any]:
    """Return the fields of the Lua error object of a failure."""
    inner = fields(failure.cause) if failure.HasField("cause") else None
    variant = failure.WhichOneof("failure_info") or ""
    described: dict[str, Any] = {"kind": "application", "cause": inner, "message": _texts(failure)[0]}
    describe = _DESCRIBE.get(variant)
    if describe is not None:
        describe(described, getattr(failure, variant), inner)
    if inner is not None:
        for name in ("type", "details", "non_retryable"):
            if described.get(name) is None:
                described[name] = inner.get(name)
        if inner["kind"] == "cancelled":
            described["kind"] = "cancelled"
    return described


def _cause_message(described: dict[str, Any], inner: dict[str, Any] | None) -> str:
    return str(inner["message"] if inner else described["message"])


def _activity(described: dict[str, Any], info: Any, inner: dict[str, Any] | None) -> None:
    described.update(
        kind="activity",
        activity_type=info.activity_type.name,
        activity_id=info.activity_id,
        retry_state=_retry_state(info.retry_state),
        message=f"activity '{info.activity_type.name}' failed: {_cause_message(described, inner)}",
    )


def _child(described: dict[str, Any], info: Any, inner: dict[str, Any] | None) -> None:
    described.update(
        kind="child_workflow",
        workflow_type=info.workflow_type.name,
        workflow_id=info.workflow_execution.workflow_id,
        run_id=info.workflow_execution.run_id,
        retry_state=_retry_state(info.retry_state),
        message=f"child workflow '{info.workflow_type.name}' failed: {_cause_message(described, inner)}",
    )


def _nexus_operation(described: dict[str, Any], info: Any, inner: dict[str, Any] | None) -> None:
    where = f"operation '{info.operation}' of Nexus service '{info.service}'"
    described.update(
        kind="nexus",
        endpoint=info.endpoint,
        service=info.service,
        operation=info.operation,
        message=f"{where} failed: {_cause_message(described, inner)}",
    )


def _nexus_handler(described: dict[str, Any], info: Any, inner: dict[str, Any] | None) -> None:
    retryable = {
        NexusHandlerErrorRetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_RETRYABLE: True,
        NexusHandlerErrorRetryBehavior.NEXUS_HANDLER_ERROR_RETRY_BEHAVIOR_NON_RETRYABLE: False,
    }.get(info.retry_behavior, info.type in _RETRYABLE_HANDLER_ERRORS)
    described.update(type=(inner and inner.get("type")) or info.type, non_retryable=not retryable)
    if inner:
        described["message"] += f": {inner['message']}"


_RETRYABLE_HANDLER_ERRORS = {
    "RESOURCE_EXHAUSTED", "REQUEST_TIMEOUT", "INTERNAL", "UNAVAILABLE", "UPSTREAM_TIMEOUT"
}  # fmt: skip


def _application(described: dict[str, Any], info: Any, _inner: dict[str, Any] | None) -> None:
    described.update(type=info.type, details=_details(info.details.payloads), non_retryable=info.non_retryable)
    if info.category == _BENIGN:
        described["category"] = "benign"


def _timeout(described: dict[str, Any], info: Any, _inner: dict[str, Any] | None) -> None:
    name = TimeoutType.Name(info.timeout_type).removeprefix("TIMEOUT_TYPE_").lower() if info.timeout_type else None
    described.update(kind="timeout", type=name, details=_details(info.last_heartbeat_details.payloads))


def _cancelled(described: dict[str, Any], info: Any, _inner: dict[str, Any] | None) -> None:
    described.update(kind="cancelled", details=_details(info.details.payloads))
    described["message"] = described["message"] or "cancelled"


def _terminated(described: dict[str, Any], _info: Any, _inner: dict[str, Any] | None) -> None:
    described["kind"] = "terminated"


_DESCRIBE: dict[str, Callable[[dict[str, Any], Any, dict[str, Any] | None], None]] = {
    "activity_failure_info": _activity,
    "child_workflow_execution_failure_info": _child,
    "nexus_operation_execution_failure_info": _nexus_operation,
    "nexus_handler_failure_info": _nexus_handler,
    "application_failure_info": _application,
    "timeout_failure_info": _timeout,
    "canceled_failure_info": _cancelled,
    "terminated_failure_info": _terminated,
}


def _retry_state(state: int) -> str | None:
    return RetryState.Name(state).removeprefix("RETRY_STATE_").lower() if state else None  # type: ignore[arg-type]


def _details(given: Iterable[Payload]) -> Value:
    """Return the only detail, or a list of several. An unreadable one becomes a string with the reason."""
    values = []
    for payload in given:
        try:
            values.append(payloads.read_python(payload))
        except BuiltinError as error:
            values.append(f"(unreadable: {error})")
    return values[0] if len(values) == 1 else values or None


def without_stack_trace(failure: Failure) -> Failure:
    """Return a copy of a failure without its own stack trace, which does not belong to this workflow."""
    copy = Failure()
    copy.CopyFrom(failure)
    copy.stack_trace = ""
    return copy
