"""References to Lua functions: Python holds an id, never the function itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from assay.lua.values import Json

Arguments = tuple[Any, ...] | list[Json]
"""Arguments of a Lua function: a tuple of plain values, or a list of JSON documents."""

Event = tuple[Any, ...]
"""Result of a step of a task: b"wait" and an operation id, or a tag for the end of the task (`host/endings.lua`)."""


class TaskHost:
    """Interface of a host for the modules that it imports.

    A parameter of a builtin whose type is a subclass of this one receives the host and is not visible to Lua.
    """

    __slots__ = ()

    released_functions: list[int]
    """Ids of functions that Python no longer references."""
    on_exit: Callable[[], Any] | None
    """Called when a spawned task calls `os.exit`; None: SystemExit propagates through the event loop."""

    verbose: bool
    """Print Python tracebacks of unexpected errors in builtins."""

    def object(self, identity: int) -> Any:
        """Return the object behind a handle."""
        raise NotImplementedError

    def begin_task(self, function: LuaFunction, arguments: Arguments, delivery: bytes) -> tuple[int, Event]:
        """Create a task that calls a function and run it until it waits or ends; returns its id and the event."""
        raise NotImplementedError

    def step(self, task: int, *answer: Any) -> Event:
        """Run a task until it waits or ends."""
        raise NotImplementedError

    async def drive(self, task: int, event: Event) -> Any:
        """Drive a task from `event` to its end; returns its result. Raises LuaError."""
        raise NotImplementedError

    async def run(self, function: LuaFunction, arguments: Arguments, delivery: bytes = b"wire") -> Any:
        """Run a function as a task and return its first result. Raises LuaError."""
        raise NotImplementedError

    def finish(self, event: Event) -> Any:
        """Handle the last event of a task; returns the task's result. Raises LuaError."""
        raise NotImplementedError

    def discard(self, task: int, *, has_begun: bool) -> None:
        """Discard the outcome of an ended task, or a task that never began."""
        raise NotImplementedError


class LuaFunction:
    """A reference to a Lua function. Lua may collect the function once the last reference is gone."""

    __slots__ = ("host", "id")

    def __init__(self, host: TaskHost, identity: int) -> None:
        self.host = host
        self.id = identity

    async def __call__(self, *arguments: Any) -> Any:
        """Run the function as a new task and return its first result.

        Raises LuaError when it raises an error.
        """
        return await self.host.run(self, arguments)

    def __del__(self) -> None:
        self.host.released_functions.append(self.id)
