"""Errors that leave the Lua state of a workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.errors import AssayError, LuaError
from assay.temporal.data.failures import FailureOrigin

if TYPE_CHECKING:
    from temporalio.api.failure.v1 import Failure


class WorkflowLimitError(AssayError):
    """Raised if a run reaches one of the limits in `workflow_limits`."""


class HostFailure(BaseException):
    """Wraps an unexpected exception so that scripts cannot catch it. It fails the workflow task, not the workflow."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.cause = cause


class CpuLimitReached(HostFailure):
    """Raised if a builtin reaches the CPU limit. Its place in the script is known once the task is suspended."""


def is_cancellation(error: LuaError) -> bool:
    """Return true if an uncaught Lua error is a cancellation."""
    return isinstance(error.value, dict) and error.value.get("kind") == "cancelled"


def origin_of(error: LuaError) -> Failure | None:
    """Return the Temporal failure behind an uncaught Lua error, or None."""
    return error.origin.failure if isinstance(error.origin, FailureOrigin) else None
