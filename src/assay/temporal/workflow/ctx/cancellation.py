"""`ctx`: cancellation, and what it does not reach."""

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


async def _run_to_its_end(fiber: Fiber, pass_on: Scope | None) -> bool:
    """Wait for the end of a fiber; return true if the waiting one was cancelled, which `pass_on` is too then."""
    is_cancelled = False
    while not fiber.ended.is_done:
        try:
            await fiber.ended
        except Cancelled:
            is_cancelled = True
            if pass_on is not None and not fiber.ended.is_done:
                pass_on.cancel_again()
    return is_cancelled


def _results(fiber: Fiber) -> TaskResults:
    if not fiber.has_begun:
        raise Cancelled
    return TaskResults(fiber.id)


def _late(duration: float) -> ErrorObject:
    return ErrorObject(f"ctx:with_timeout: {duration:g} s are over", kind="timeout", type="TIMEOUT")


class Cancellation:
    """What a cancellation reaches."""

    _run: Run

    @method
    async def shield(self, function: LuaFunction) -> TaskResults:
        """Run a function to its end although the workflow is cancelled meanwhile; return its results.

        The cancellation is raised where the workflow waits next.

        Args:
            function: The clean-up. It may use every method of `ctx`.
        """
        run = self._run
        fiber = run.begin_fiber(run.host.start(function, (), b"keep"), Scope())
        if await _run_to_its_end(fiber, None) and not fiber.is_cancelled:
            assert run.fiber is not None
            run.fiber.cancel_next_wait()
        return _results(fiber)

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
        run = self._run
        scope = Scope(run.current_scope())
        fiber = run.begin_fiber(run.host.start(function, (), b"keep"), scope)
        timer = Timer(run.outbound, duration).start()
        timer.when_done(scope.cancel)
        try:
            is_cancelled = await _run_to_its_end(fiber, scope)
        finally:
            timer.stop()
        if fiber.is_cancelled and not is_cancelled and timer.is_done:
            if fiber.has_begun:
                run.host.forget(fiber.id)
            raise _late(duration)
        return _results(fiber)

    @reader
    def is_cancelled(self) -> bool:
        """Return true if a cancel of the workflow was requested."""
        return self._run.cancel_reason is not None

    @reader
    def cancellation_reason(self) -> str | None:
        """Return the reason of the cancel request, an empty string if it has none; nil if there is no request."""
        return self._run.cancel_reason
