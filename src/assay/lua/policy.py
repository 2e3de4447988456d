"""Interfaces that control calls of builtins: the policy of a host, and the limits of a workflow's state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from assay.lua.function import TaskHost
from assay.lua.state import Outcome
from assay.permissions import Permissions

if TYPE_CHECKING:
    from assay.lua.declare import Function


class Policy:
    """Decides what a call of a builtin runs: the builtin itself, if the script's permissions allow it."""

    __slots__ = ("permissions",)

    must_be_quick: ClassVar[bool] = False
    """True if a call of a builtin must not block for long."""

    def __init__(self, permissions: Permissions) -> None:
        self.permissions = permissions

    def implementation(self, function: Function) -> Callable[..., Any]:
        """Return the Python function to run for a call of `function`. Raises BuiltinError if it is not allowed."""
        if not self.permissions.restricts:
            return function.python
        names = [parameter.name for parameter in function.parameters]

        def call(*given: Any) -> Any:
            first = 1 if function.takes_host else 0
            admitted = self.permissions.admit(function.needs, names, given[first:])
            return function.python(*given[:first], *admitted)

        return call

    def arguments(self, host: TaskHost, function: Function, given: tuple[Any, ...]) -> list[Any]:
        """Convert the raw arguments of a call, `given`. Raises BuiltinError for an invalid one."""
        return function.read(host, given)

    def explain(self, error: BaseException) -> BaseException:
        """Return the exception to report for an `error` that a call raised."""
        return error

    def check_alive(self) -> None:
        """Raise if a cancellation means that the state is being closed and no Lua code may run."""


class Lender(Protocol):
    """Access to the tables of a run for a state that is a copy of it. Its methods do not raise."""

    def contents(self, number: int, more: int, *key: Any) -> Any:
        """Return a message with the contents of a table, or only its field `key`, and of up to `more` other tables."""

    def length(self, number: int) -> Any:
        """Return the length of a table."""

    def done(self) -> None:
        """Note that the last message was read."""


class Limits(Protocol):
    """The CPU and memory limits of a state.

    Memory is checked before values are pushed: pushing a value beyond the limit would abort the process.
    """

    def check_room(self, *pushed: Any) -> None:
        """Raise if the values to be pushed exceed the memory limit."""

    def has_room(self, *pushed: Any) -> bool:
        """Return true if the values to be pushed fit into memory; otherwise end the state."""

    def check_outcome(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a call, or one that ends the state if a limit was reached."""

    def cpu_spent(self) -> float | None:
        """Return the CPU seconds used so far; None if the limit is reached."""
