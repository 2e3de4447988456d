"""Failures that a worker reports, as Core's messages."""

from __future__ import annotations

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import ApplicationErrorCategory
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from assay.errors import LuaError
from assay.temporal.failures import to_application_error


def application_failure(
    message: str, kind: str, *, non_retryable: bool = False, stack_trace: str = "", cause: Failure | None = None
) -> Failure:
    """An application failure of the type `kind`."""
    failure = Failure(message=message, stack_trace=stack_trace, cause=cause)
    failure.application_failure_info.type = kind
    failure.application_failure_info.non_retryable = non_retryable
    return failure


def lua_failure(error: LuaError) -> Failure:
    """The failure of an uncaught Lua error."""
    return _of(to_application_error(error))


def cancelled_failure() -> Failure:
    """The failure of what ended because it was cancelled."""
    failure = Failure(message="Cancelled")
    failure.canceled_failure_info.SetInParent()
    return failure


def is_benign(failure: Failure) -> bool:
    """Return true for a failure that its author expects."""
    category: int = failure.application_failure_info.category
    return category == ApplicationErrorCategory.APPLICATION_ERROR_CATEGORY_BENIGN


def _of(error: ApplicationError) -> Failure:
    cause = error.__cause__
    failure = application_failure(
        error.message,
        error.type or "",
        non_retryable=error.non_retryable,
        stack_trace=getattr(error, "lua_traceback", ""),
        cause=_of(cause) if isinstance(cause, ApplicationError) else None,
    )
    info = failure.application_failure_info
    if error.details:
        info.details.CopyFrom(Payloads(payloads=[detail.payload for detail in error.details]))
    if error.next_retry_delay is not None:
        info.next_retry_delay.FromTimedelta(error.next_retry_delay)
    info.category = ApplicationErrorCategory.ValueType(error.category)
    return failure
