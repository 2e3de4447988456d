"""`ctx`: cancellation, and what it does not reach."""

from __future__ import annotations

import asyncio

from temporalio import workflow

from assay.errors import BuiltinError, ErrorObject, LuaError
from assay.lua.convert import MAX_SECONDS
from assay.lua.declare import method, reader
from assay.lua.function import LuaFunction
from assay.lua.spawned import TaskResults
from assay.temporal.workflow import scopes
from assay.temporal.workflow.host import WorkflowHost, is_cancellation


class Inner:
    """A function that runs to its end while the calling task waits for it."""

    def __init__(self, host: WorkflowHost, function: LuaFunction, scope: scopes.Scope) -> None:
        self._host = host
        self._scope = scope
        self._id = host.start(function, (), b"keep")
        self._task = scope.begin(self._run())
        self.interrupted = False
        """The calling task was cancelled meanwhile."""

    async def _run(self) -> None:
        await self._host.drive(self._id, self._host.step(self._id))

    async def end(self, *, pass_on: bool) -> None:
        """Wait for the end. `pass_on`: a cancellation of the calling task reaches the function."""
        while not self._task.done():
            try:
                await asyncio.wait((self._task,))
            except asyncio.CancelledError:
                self._host.check_alive()
                self.interrupted = True
                if pass_on:
                    self._scope.cancel()

    def was_cancelled(self) -> bool:
        """Tell whether a cancellation ended it."""
        error = None if self._task.cancelled() else self._task.exception()
        return self._task.cancelled() or (isinstance(error, LuaError) and is_cancellation(error))

    def forget(self) -> None:
        """Let go of its results."""
        self._host.state.invoke(b"forget", self._id)

    def results(self) -> TaskResults:
        """The results of the function or its error, which are in Lua. Raises what no Lua code may catch.

        A cancellation of the calling task that the function did not let through is raised where that task waits next.
        """
        if self.interrupted and not self.was_cancelled():
            current = asyncio.current_task()
            assert current is not None
            current.cancel()
        if not self._task.cancelled() and not isinstance(self._task.exception(), LuaError):
            self._task.result()
        return TaskResults(self._id)


def _late(duration: float) -> ErrorObject:
    return ErrorObject(f"ctx:with_timeout: {duration:g} s are over", kind="timeout", type="TIMEOUT")


class Cancellation:
    """What a cancellation reaches."""

    _host: WorkflowHost

    @method
    async def shield(self, function: LuaFunction) -> TaskResults:
        """Run a function to its end although the workflow is cancelled meanwhile; return its results.

        The cancellation is raised where the workflow waits next.

        Args:
            function: The clean-up. It may use every method of `ctx`.
        """
        inner = Inner(self._host, function, scopes.Scope())
        await inner.end(pass_on=False)
        return inner.results()

    @method
    async def with_timeout(self, duration: float, function: LuaFunction) -> TaskResults:
        """Run a function that may take so long, and return its results.

        When the time is over, what the function waits for is cancelled, and so is all that it has started and that has
        not ended; then an error whose `kind` is "timeout" is raised. A function that catches the cancellation and
        returns something has done it in time.

        Args:
            duration: Seconds; when it is not above 0 the time is over, and the function does not begin.
            function: What to run. It may use every method of `ctx`.
        """
        if not duration <= MAX_SECONDS:
            raise BuiltinError(f"bad argument 'duration' (a number of seconds expected, got {duration:g})")
        if duration <= 0:
            raise _late(duration)
        scope = scopes.Scope(scopes.current())
        inner = Inner(self._host, function, scope)
        is_late = False

        def expire() -> None:
            nonlocal is_late
            is_late = True
            scope.cancel()

        timer = asyncio.get_running_loop().call_later(duration, expire)
        try:
            await inner.end(pass_on=True)
        finally:
            timer.cancel()
        if not inner.was_cancelled():
            return inner.results()
        if inner.interrupted:
            inner.forget()
            raise asyncio.CancelledError
        if is_late:
            inner.forget()
            raise _late(duration)
        return inner.results()

    @reader
    def is_cancelled(self) -> bool:
        """Tell whether somebody has asked the workflow to cancel."""
        return workflow.cancellation_reason() is not None

    @reader
    def cancellation_reason(self) -> str | None:
        """Return the reason of whoever has asked the workflow to cancel, an empty text if there was none; else nil."""
        return workflow.cancellation_reason()
