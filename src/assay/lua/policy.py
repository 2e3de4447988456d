"""What a host asks before and after a builtin runs: a policy, and for a state that is limited its limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from assay.lua.function import TaskHost
from assay.lua.state import Outcome
from assay.permissions import Permissions

if TYPE_CHECKING:
    from assay.lua.declare import Function


class Policy:
    """Decides what runs when a script calls a builtin: the builtin itself, if the script's permissions admit it."""

    __slots__ = ("permissions",)

    must_be_quick: ClassVar[bool] = False
    """Whether a call of a builtin must never take long."""

    def __init__(self, permissions: Permissions) -> None:
        self.permissions = permissions

    def implementation(self, function: Function) -> Callable[..., Any]:
        """Return what runs when the script calls `function`. Raises BuiltinError when it may not."""
        if not self.permissions.restricts:
            return function.python
        names = [parameter.name for parameter in function.parameters]

        def call(*given: Any) -> Any:
            own = 1 if function.takes_host else 0
            admitted = self.permissions.admit(function.needs, names, given[own:])
            return function.python(*given[:own], *admitted)

        return call

    def arguments(self, host: TaskHost, function: Function, given: tuple[Any, ...]) -> list[Any]:
        """Return the arguments for the implementation; `given` is what crossed. Raises BuiltinError."""
        return function.read(host, given)

    def explain(self, error: BaseException) -> BaseException:
        """Return the exception in the place of which a call has raised `error`."""
        return error

    def check_alive(self) -> None:
        """Raise when a cancellation means that the whole state is going away and no Lua code may run any more."""


class Lender(Protocol):
    """Has what is in the tables of another state, for one that is a copy of it. Nothing here raises."""

    def contents(self, number: int, more: int, *key: Any) -> Any:
        """Return a message with the contents of a table, or only the field `key`, and of `more` others."""

    def length(self, number: int) -> Any:
        """Return the length of a table."""

    def done(self) -> None:
        """Note that the last message has been read."""


class Limits(Protocol):
    """The limits of a state, and what is asked before values are pushed into it.

    A value that is pushed over the memory limit of a state would abort the process.
    """

    def check_room(self, *pushed: Any) -> None:
        """Raise when there is no room for what is about to be pushed."""

    def has_room(self, *pushed: Any) -> bool:
        """Return true if there is room for what is about to be pushed; else the state ends."""

    def check_outcome(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a call, or what ends the state when a limit was reached."""

    def cpu_spent(self) -> float | None:
        """Return the CPU seconds used so far; None when the limit is reached."""
