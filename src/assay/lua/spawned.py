"""Tasks that Lua code spawned."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from assay.errors import ErrorObject, LuaError

if TYPE_CHECKING:
    import asyncio

    from assay.lua.host import Host


def cancelled() -> ErrorObject:
    """The error of a cancellation: a new one each time, because one that is raised keeps the frames that it passes."""
    return ErrorObject("cancelled", kind="cancelled")


class TaskOutcome(int):
    """The id of an ended task: a builtin returns its results as an array, or raises its error."""


class TaskResults(int):
    """The id of an ended task: a builtin returns its results as they are, or raises its error."""


class SpawnedTask:
    """A task on its own way; Lua keeps its outcome until somebody awaits it or nobody can any more.

    Who awaits one that has ended well need not ask here: Lua has all there is (see `builtins/async.lua`).
    """

    def __init__(self, host: Host, identity: int) -> None:
        self.host = host
        self.id = identity
        self.running: asyncio.Task[None] | None = None
        self._cancelled = False
        self._started = False
        self._awaited = False
        self._released = False
        self._error: LuaError | None = None

    def launch(self) -> None:
        """Begin to drive the task; on the event loop."""
        import asyncio

        self.running = asyncio.ensure_future(self._drive())
        self.running.add_done_callback(self._ended)
        if self._cancelled:
            self.running.cancel()

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

    def _ended(self, running: asyncio.Task[None]) -> None:
        self.host.tasks.discard(self)
        if self._released:
            self._settle()
        elif self._error is not None and not self._awaited:
            self.host.failed.add(self)

    async def outcome(self) -> TaskOutcome:
        """Wait for the end; the outcome goes from Lua to Lua, once only."""
        import asyncio

        self._awaited = True
        self.host.launch()
        assert self.running is not None
        if not self.running.done():
            await asyncio.wait([self.running])
        self.host.failed.discard(self)
        if not self._started:
            raise cancelled()
        if not self.running.cancelled():
            self.running.result()
        return TaskOutcome(self.id)

    def cancel(self) -> None:
        """What the task waits for raises an error; a task that has not begun never begins."""
        self._cancelled = True
        if self.running is not None:
            self.running.cancel()

    def release(self) -> None:
        """Lua can await it no more."""
        self._released = True
        if self.running is not None and self.running.done():
            self._settle()

    def _settle(self) -> None:
        """Let go of an outcome that nobody will ask for."""
        self.host.failed.discard(self)
        self.host.state.invoke(b"forget" if self._started else b"drop", self.id)
        self.complain()

    def complain(self) -> None:
        """Tell of an error that nobody awaited."""
        if self._error is not None and not self._awaited:
            tell("async: a spawned task failed and nobody awaited it", self._error.report, self._error.traceback)


def tell(what: str, message: str, traceback: Any) -> None:
    """Report an error that no Lua code can catch, on stderr."""
    sys.stderr.write(f"{what}: {message}\n{traceback}\n" if traceback else f"{what}: {message}\n")
