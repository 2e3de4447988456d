"""`async`: tasks beside the main chunk."""

from __future__ import annotations

import os.path

from assay.events import SPAWNED_TASK_FAILED
from assay.log_lines import emit
from assay.lua.declare import Library, method
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.spawned import SpawnedTask
from assay.lua.values import Value
from assay.permissions.needs import NOTHING

library = Library(
    "async",
    """Tasks beside the main chunk.

    Tasks take turns: one runs until it waits (for `sleep`, `http`, another task, …), so nothing changes between two
    waits. The end of the main chunk ends the process, also while tasks run. An error in a task is raised where the
    task is awaited; if it is never awaited, it is reported on stderr.
    """,
    lua=os.path.join(os.path.dirname(__file__), "async.lua"),
    callbacks={
        "async.spawn.fn": "fun(...: any): any",
        "async.spawn_interval.fn": "fun(): any",
        "async.spawn_interval.ms": "fun(): any",
    },
    needs=NOTHING,
)


@library.handle
class Task:
    """A spawned task. `task.await()` and `task:await()` are the same, and so for `cancel`."""

    lua_name = "async.Task"
    lua_bound = True

    def __init__(self, spawned: SpawnedTask) -> None:
        self._spawned = spawned

    @method
    async def await_(self) -> list[Value]:
        """Wait for the task and return an array of its results, or raise its error; only once.

        A task that was cancelled raises an error object whose `kind` is `cancelled`.
        """
        return await self._spawned.outcome()  # type: ignore[return-value]  # goes from Lua to Lua

    @method
    def cancel(self) -> None:
        """Cancel the task: what it waits for raises an error; a task that has not begun never begins."""
        self._spawned.cancel()

    def release(self) -> None:
        """Lua has collected the handle."""
        self._spawned.release()


@library.function(native=True)
def spawn(fn: LuaFunction, *arguments: Value) -> Task:
    """Run a function as a task. It begins when the caller waits for the first time.

    Args:
        fn: The function.
        arguments: What it is called with: any values.
    """
    raise NotImplementedError


@library.function(native=True)
def spawn_interval(fn: LuaFunction | float, ms: float | LuaFunction) -> Task:
    """Call a function again and again, first after one interval. An error is logged in one line; the calls continue.

    `spawn_interval(seconds, fn)` is the same with the interval in seconds.

    Calls never overlap: the interval is the time between the end of a call and the next. `cancel` ends them, also from
    within a call; `await` waits for that and returns an empty array.

    Args:
        fn: The function; it is called without arguments.
        ms: The interval in milliseconds, more than 0.
    """
    raise NotImplementedError


@library.function(native=True, name="all")
def all_(tasks: list[Task]) -> list[list[Value]]:
    """Await several tasks and return an array with what each `await` returned, in the same order.

    The first error in that order is raised; the other tasks run on.

    Args:
        tasks: An array of tasks.
    """
    raise NotImplementedError


@library.function()
def _spawn(host: Host, task: int) -> Task:
    return Task(host.spawn(task))


@library.function()
async def _pause(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


@library.function()
def _failed(message: str) -> None:
    emit("error", f"async.spawn_interval: a call failed: {message}", event=SPAWNED_TASK_FAILED)
