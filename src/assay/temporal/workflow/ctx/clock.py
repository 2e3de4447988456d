"""Methods of `ctx` for time and timers."""

from __future__ import annotations

from dataclasses import dataclass

from assay.errors import BuiltinError
from assay.lua.convert import MAX_SECONDS
from assay.lua.declare import method, reader
from assay.temporal.workflow.ctx.futures import CommandFuture, Future
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.run.timers import Timer, sleep


@dataclass(kw_only=True)
class SleepOptions:
    """Options of a timer.

    Attributes:
        summary: Short description, shown in the Web UI and the history.
    """

    summary: str | None = None


def _checked(duration: float) -> float:
    if not duration <= MAX_SECONDS:
        raise BuiltinError(f"bad argument 'duration' (a number of seconds expected, got {duration:g})")
    return max(duration, 0)


class Clock:
    """Durable timers, and a clock that replays repeat."""

    _run: Run

    @method
    async def sleep(self, duration: float, options: SleepOptions | None = None) -> None:
        """Sleep on a durable timer of the server, which survives a restart of the worker.

        Args:
            duration: Duration in seconds; negative values count as 0.
            options: Timer options.
        """
        await sleep(self._run.outbound, _checked(duration), options.summary if options else None)

    @method
    def start_timer(self, duration: float, options: SleepOptions | None = None) -> Future:
        """Start a durable timer of the server and return its future, which has no result.

        Args:
            duration: Duration in seconds; negative values count as 0.
            options: Timer options.
        """
        timer = Timer(self._run.outbound, _checked(duration), options.summary if options else None)
        self._run.enqueue(timer.start)
        future = CommandFuture(self._run, "a timer", timer)
        future.until = self._run.now + duration
        return future

    @reader
    def now(self) -> float:
        """Return the workflow's current time in seconds since 1970-01-01 UTC, the same on every replay."""
        return self._run.now

    @reader
    def is_replaying(self) -> bool:
        """Return true while the workflow is being replayed. For logs and metrics only: never branch on it."""
        return self._run.is_replaying
