"""Lua functions in Python's hands: an id, never the function itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assay.lua.values import Json

Arguments = tuple[Any, ...] | list[Json]
"""The arguments of a Lua function: plain values, or JSON texts."""

Event = tuple[Any, ...]
"""How a step of a task ended: b"wait" and the operation that it waits for, or how the task ended (`host/tasks.lua`)."""


class TaskHost:
    """What runs Lua functions as tasks: the base of a host, for what stands below it.

    A parameter of a builtin that has a subclass of it as its type is filled in and not seen by Lua.
    """

    __slots__ = ()

    unheld: list[int]
    """The functions that Python has let go of."""
    on_exit: Callable[[], Any] | None
    """Called when a spawned task calls `os.exit`; None: SystemExit goes through the event loop."""

    verbose: bool
    """Print Python's traceback of an unexpected error in a builtin."""

    def object(self, identity: int) -> Any:
        """Return the object behind a handle."""
        raise NotImplementedError

    def begin_task(self, function: LuaFunction, arguments: Arguments, delivery: bytes) -> tuple[int, Event]:
        """Make a task of a function and run it until it waits or ends; returns its id and the event."""
        raise NotImplementedError

    def step(self, task: int, *answer: Any) -> Event:
        """Run a task until it waits or ends."""
        raise NotImplementedError

    async def drive(self, task: int, event: Event) -> Any:
        """Carry a task from `event` to its end; returns its result. Raises LuaError."""
        raise NotImplementedError

    async def run(self, function: LuaFunction, arguments: Arguments, delivery: bytes = b"wire") -> Any:
        """Run a function as a task and return its first result. Raises LuaError."""
        raise NotImplementedError

    def launch(self) -> bool:
        """Start driving the tasks that Lua code spawned; returns whether there were any."""
        raise NotImplementedError

    def result(self, event: Event) -> Any:
        """Return the result in the last event of a task. Raises LuaError."""
        raise NotImplementedError

    def discard(self, task: int, *, has_begun: bool) -> None:
        """Forget the outcome of a task that has ended, or a task that never began."""
        raise NotImplementedError


class LuaFunction:
    """A Lua function that Python holds. Lua may collect it after the last of these is gone."""

    __slots__ = ("host", "id")

    def __init__(self, host: TaskHost, identity: int) -> None:
        self.host = host
        self.id = identity

    async def __call__(self, *arguments: Any) -> Any:
        """Run the function as a task of its own and return its first result.

        Raises LuaError when it raises an error.
        """
        return await self.host.run(self, arguments)

    def __del__(self) -> None:
        self.host.unheld.append(self.id)
