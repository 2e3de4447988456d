"""`async`: concurrent tasks."""

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
    """Run functions as concurrent tasks.

    Scheduling is cooperative: a task runs until it waits (for `sleep`, `http`, another task, …), so no other task runs
    between two waits. The process ends with the main chunk, even if tasks are still running. An error in a task is
    raised by its `await`; if the task is never awaited, the error is printed to stderr.
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
    """A spawned task. `task.await()` is the same as `task:await()`, and likewise for `cancel`."""

    lua_name = "async.Task"
    lua_bound = True

    def __init__(self, spawned: SpawnedTask) -> None:
        self._spawned = spawned

    @method
    async def await_(self) -> list[Value]:
        """Wait for the task; return an array of its results, or raise its error. A task can be awaited only once.

        A cancelled task raises an error object of kind "cancelled".
        """
        return await self._spawned.outcome()  # type: ignore[return-value]  # results stay in Lua

    @method
    def cancel(self) -> None:
        """Cancel the task: the call that it waits for raises an error. A task that has not started never starts."""
        self._spawned.cancel()

    def release(self) -> None:
        """Release the task after Lua has collected the handle."""
        self._spawned.release()


@library.function(native=True)
def spawn(fn: LuaFunction, *arguments: Value) -> Task:
    """Run a function as a task. It starts when the caller next waits.

    Args:
        fn: The function.
        arguments: The arguments of the function.
    """
    raise NotImplementedError


@library.function(native=True)
def spawn_interval(fn: LuaFunction | float, ms: float | LuaFunction) -> Task:
    """Call a function repeatedly, first after one interval. An error is logged, and the calls continue.

    `spawn_interval(seconds, fn)` is the same with the interval in seconds.

    Calls never overlap: the interval is the time from the end of a call to the start of the next. `cancel` stops the
    calls, also from within one; `await` waits until they are stopped and returns an empty array.

    Args:
        fn: The function; it is called without arguments.
        ms: The interval in milliseconds, greater than 0.
    """
    raise NotImplementedError


@library.function(native=True, name="all")
def all_(tasks: list[Task]) -> list[list[Value]]:
    """Await several tasks and return an array with the result of each `await`, in the same order.

    The first error in that order is raised; the other tasks keep running.

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
