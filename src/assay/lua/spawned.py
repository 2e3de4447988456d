"""Tasks that Lua code spawned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.errors import ErrorObject, LuaError
from assay.lua.function import TaskHost

if TYPE_CHECKING:
    import asyncio


def cancelled() -> ErrorObject:
    """The error of a cancellation: a new one each time, because one that is raised keeps the frames that it passes."""
    return ErrorObject("cancelled", kind="cancelled")


class TaskOutcome(int):
    """The id of an ended task: a builtin returns its results as an array, or raises its error."""


class TaskResults(int):
    """The id of an ended task: a builtin returns its results as they are, or raises its error."""


class SpawnedTasks:
    """The tasks of a state that Lua code has spawned."""

    __slots__ = ("_host", "_new", "failed", "running")

    def __init__(self, host: TaskHost) -> None:
        self._host = host
        self._new: list[SpawnedTask] = []
        self.running: set[SpawnedTask] = set()
        """Those that have not ended, also those that have not begun."""
        self.failed: set[SpawnedTask] = set()
        """Those that ended with an error which can still be awaited."""

    def add(self, task: int) -> SpawnedTask:
        """Take over a task that Lua code made; it begins when whoever made it waits."""
        spawned = SpawnedTask(self._host, self, task)
        self.running.add(spawned)
        self._new.append(spawned)
        return spawned

    def launch(self) -> bool:
        """Start driving the new ones; returns whether there were any."""
        launched = self._new
        self._new = []
        for spawned in launched:
            spawned.launch()
        return bool(launched)

    async def close(self) -> None:
        """End them: what each waits for raises an error. Errors that were never awaited are reported."""
        import asyncio

        running = [task.driver for task in self.running if task.driver is not None]
        for driver in running:
            driver.cancel()
        if running:
            await asyncio.wait(running)

    def report_failures(self) -> None:
        """Report the errors that were never awaited."""
        for failed in self.failed:
            failed.report_error()
        self.failed.clear()


class SpawnedTask:
    """A spawned task; Lua keeps its outcome until it is awaited or cannot be awaited any more.

    Who awaits one that has ended well need not ask here: Lua has all there is (see `builtins/async.lua`).
    """

    def __init__(self, host: TaskHost, tasks: SpawnedTasks, identity: int) -> None:
        self.host = host
        self.id = identity
        self.driver: asyncio.Task[None] | None = None
        """Drives the task, once it has begun."""
        self._tasks = tasks
        self._cancelled = False
        self._started = False
        self._awaited = False
        self._released = False
        self._error: LuaError | None = None

    def launch(self) -> None:
        """Begin to drive the task; on the event loop."""
        import asyncio

        self.driver = asyncio.ensure_future(self._drive())
        self.driver.add_done_callback(self._ended)
        if self._cancelled:
            self.driver.cancel()

    async def _drive(self) -> None:
        self._started = True
        try:
            await self.host.drive(self.id, self.host.step(self.id))
        except LuaError as error:
            self._error = error
        except SystemExit:
            if self.host.on_exit is None:
                raise
            self.host.on_exit()

    def _ended(self, driver: asyncio.Task[None]) -> None:
        self._tasks.running.discard(self)
        if self._released:
            self._settle()
        elif self._error is not None and not self._awaited:
            self._tasks.failed.add(self)

    async def outcome(self) -> TaskOutcome:
        """Wait for the end; the outcome goes from Lua to Lua, once only."""
        import asyncio

        self._awaited = True
        self._tasks.launch()
        assert self.driver is not None
        if not self.driver.done():
            await asyncio.wait([self.driver])
        self._tasks.failed.discard(self)
        if not self._started:
            raise cancelled()
        if not self.driver.cancelled():
            self.driver.result()
        return TaskOutcome(self.id)

    def cancel(self) -> None:
        """What the task waits for raises an error; a task that has not begun never begins."""
        self._cancelled = True
        if self.driver is not None:
            self.driver.cancel()

    def release(self) -> None:
        """Lua can await it no more."""
        self._released = True
        if self.driver is not None and self.driver.done():
            self._settle()

    def _settle(self) -> None:
        """Forget an outcome that is never awaited."""
        self._tasks.failed.discard(self)
        self.host.discard(self.id, has_begun=self._started)
        self.report_error()

    def report_error(self) -> None:
        """Report an error that was never awaited."""
        if self._error is not None and not self._awaited:
            report("async: a spawned task failed and was never awaited", self._error.report, self._error.traceback)


def report(what: str, message: str, traceback: Any) -> None:
    """Report an error that no Lua code can catch, on stderr."""
    from assay import log_lines
    from assay.events import SPAWNED_TASK_FAILED

    line = f"{what}: {message}"
    fields = {"traceback": traceback} if isinstance(traceback, str) and traceback else None
    log_lines.notice(SPAWNED_TASK_FAILED, line, f"{line}\n{traceback}" if traceback else line, fields)
