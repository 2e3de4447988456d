"""Methods of `ctx` for cancellation: shields, timeouts and cancel requests."""

from __future__ import annotations

from assay.errors import BuiltinError, ErrorObject
from assay.lua.convert import MAX_SECONDS
from assay.lua.declare import method, reader
from assay.lua.function import LuaFunction
from assay.lua.spawned import TaskResults
from assay.temporal.workflow.run.entries import Cancelled
from assay.temporal.workflow.run.fibers import Fiber
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.run.scopes import Scope
from assay.temporal.workflow.run.timers import Timer


async def _wait_for_end(fiber: Fiber, scope: Scope | None) -> bool:
    """Wait until a fiber has ended; return true if the caller was cancelled, which also cancels `scope`."""
    is_cancelled = False
    while not fiber.ended.is_done:
        try:
            await fiber.ended
        except Cancelled:
            is_cancelled = True
            if scope is not None and not fiber.ended.is_done:
                scope.cancel_again()
    return is_cancelled


def _results(fiber: Fiber) -> TaskResults:
    if not fiber.has_begun:
        raise Cancelled
    return TaskResults(fiber.id)


def _timeout_error(duration: float) -> ErrorObject:
    return ErrorObject(f"ctx:with_timeout: timed out after {duration:g} s", kind="timeout", type="TIMEOUT")


class Cancellation:
    """Cancellation of the workflow and of parts of it."""

    _run: Run

    @method
    async def shield(self, function: LuaFunction) -> TaskResults:
        """Run a function that a cancellation of the workflow does not interrupt, and return its results.

        A cancellation that arrives meanwhile is raised where the workflow waits next.

        Args:
            function: Function to run, such as a cleanup. It may use every method of `ctx`.
        """
        run = self._run
        fiber = run.begin_fiber(run.host.start(function, (), b"keep"), Scope())
        if await _wait_for_end(fiber, None) and not fiber.is_cancelled:
            assert run.fiber is not None
            run.fiber.cancel_next_wait()
        return _results(fiber)

    @method
    async def with_timeout(self, duration: float, function: LuaFunction) -> TaskResults:
        """Run a function with a time limit and return its results.

        On a timeout, the current wait of the function is cancelled, and so is everything that it has started and that
        is still running; then an error whose `kind` is "timeout" is raised. If the function catches the cancellation
        and returns normally, its results are returned and no error is raised.

        Args:
            duration: Time limit in seconds. With 0 or less, the timeout is raised without calling the function.
            function: Function to run. It may use every method of `ctx`.
        """
        if not duration <= MAX_SECONDS:
            raise BuiltinError(f"bad argument 'duration' (a number of seconds expected, got {duration:g})")
        if duration <= 0:
            raise _timeout_error(duration)
        run = self._run
        scope = Scope(run.current_scope())
        fiber = run.begin_fiber(run.host.start(function, (), b"keep"), scope)
        timer = Timer(run.outbound, duration).start()
        timer.when_done(scope.cancel)
        try:
            is_cancelled = await _wait_for_end(fiber, scope)
        finally:
            timer.stop()
        if fiber.is_cancelled and not is_cancelled and timer.is_done:
            if fiber.has_begun:
                run.host.forget(fiber.id)
            raise _timeout_error(duration)
        return _results(fiber)

    @reader
    def is_cancelled(self) -> bool:
        """Return true if cancellation of the workflow has been requested."""
        return self._run.cancel_reason is not None

    @reader
    def cancellation_reason(self) -> str | None:
        """Return the reason of the cancellation request: empty if none was given, nil without a request."""
        return self._run.cancel_reason
