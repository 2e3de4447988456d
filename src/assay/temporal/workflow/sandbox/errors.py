"""Errors that leave a workflow's Lua state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assay.errors import AssayError, LuaError
from assay.temporal.data.failures import FailureOrigin

if TYPE_CHECKING:
    from temporalio.api.failure.v1 import Failure


class WorkflowLimitError(AssayError):
    """A run has reached one of the limits in `workflow_limits`."""


class HostFailure(BaseException):
    """An unforeseen exception on its way past Lua, where nothing may catch it: the workflow task fails."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.cause = cause


class CpuLimitReached(HostFailure):
    """The CPU limit was reached in a builtin: where is known once the task is suspended."""


def is_cancellation(error: LuaError) -> bool:
    """Return true if an error that Lua let through is that of a cancellation."""
    return isinstance(error.value, dict) and error.value.get("kind") == "cancelled"


def origin_of(error: LuaError) -> Failure | None:
    """Return the failure behind an error that Lua let through, if there is one."""
    return error.origin.failure if isinstance(error.origin, FailureOrigin) else None
