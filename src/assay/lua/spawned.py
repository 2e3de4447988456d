"""Tasks that scripts spawn with `async.spawn`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.errors import ErrorObject, LuaError
from assay.lua.function import TaskHost

if TYPE_CHECKING:
    import asyncio


def cancelled() -> ErrorObject:
    """Return a new cancellation error. An instance is not reused, because a raised exception keeps its frames alive."""
    return ErrorObject("cancelled", kind="cancelled")


class TaskOutcome(int):
    """Id of an ended task. A builtin that returns it returns the task's results as an array, or raises its error."""


class TaskResults(int):
    """Id of an ended task. A builtin that returns it returns the task's results, or raises its error."""


class SpawnedTasks:
    """The spawned tasks of a state."""

    __slots__ = ("_host", "_new", "failed", "running")

    def __init__(self, host: TaskHost) -> None:
        self._host = host
        self._new: list[SpawnedTask] = []
        self.running: set[SpawnedTask] = set()
        """Tasks that have not ended, including those that have not begun."""
        self.failed: set[SpawnedTask] = set()
        """Tasks that ended with an error and can still be awaited."""

    def add(self, task: int) -> SpawnedTask:
        """Adopt a task that Lua code created; it begins once the task that created it waits."""
        spawned = SpawnedTask(self._host, self, task)
        self.running.add(spawned)
        self._new.append(spawned)
        return spawned

    def launch(self) -> bool:
        """Start driving new tasks; returns whether there were any."""
        launched = self._new
        self._new = []
        for spawned in launched:
            spawned.launch()
        return bool(launched)

    async def close(self) -> None:
        """Cancel the running tasks and wait for their end."""
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
    """A spawned task. Lua keeps its outcome until it is awaited or its handle is collected.

    Awaiting a task that has completed without an error does not involve Python (see `builtins/async.lua`).
    """

    def __init__(self, host: TaskHost, tasks: SpawnedTasks, identity: int) -> None:
        self.host = host
        self.id = identity
        self.driver: asyncio.Task[None] | None = None
        """The asyncio task that drives it, once it has begun."""
        self._tasks = tasks
        self._cancelled = False
        self._started = False
        self._awaited = False
        self._released = False
        self._error: LuaError | None = None

    def launch(self) -> None:
        """Start driving the task on the running event loop."""
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
        """Wait for the end; returns the outcome, which can be taken only once. Raises the cancellation error."""
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
        """Cancel the task: its current wait raises an error. A task that has not begun never begins."""
        self._cancelled = True
        if self.driver is not None:
            self.driver.cancel()

    def release(self) -> None:
        """Note that Lua can no longer await the task."""
        self._released = True
        if self.driver is not None and self.driver.done():
            self._settle()

    def _settle(self) -> None:
        """Discard an outcome that will never be awaited."""
        self._tasks.failed.discard(self)
        self.host.discard(self.id, has_begun=self._started)
        self.report_error()

    def report_error(self) -> None:
        """Report the task's error, if it was never awaited."""
        if self._error is not None and not self._awaited:
            report("async: a spawned task failed and was never awaited", self._error.report, self._error.traceback)


def report(prefix: str, message: str, traceback: Any) -> None:
    """Report an error that no Lua code can catch on stderr."""
    from assay import log_lines
    from assay.events import SPAWNED_TASK_FAILED

    line = f"{prefix}: {message}"
    fields = {"traceback": traceback} if isinstance(traceback, str) and traceback else None
    text = f"{line} [{SPAWNED_TASK_FAILED.code}]"
    log_lines.notice(SPAWNED_TASK_FAILED, line, f"{text}\n{traceback}" if traceback else text, fields)
