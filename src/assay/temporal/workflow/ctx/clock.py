"""`ctx`: the workflow's time."""

from __future__ import annotations

from dataclasses import dataclass

from assay.errors import BuiltinError
from assay.lua.convert import MAX_SECONDS
from assay.lua.declare import method, reader
from assay.temporal.workflow.ctx.futures import Future, StepFuture
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.run.timers import Timer, sleep


@dataclass(kw_only=True)
class SleepOptions:
    """How a timer is shown.

    Attributes:
        summary: What the Web UI and the history show beside it.
    """

    summary: str | None = None


def _check(duration: float) -> float:
    if not duration <= MAX_SECONDS:
        raise BuiltinError(f"bad argument 'duration' (a number of seconds expected, got {duration:g})")
    return max(duration, 0)


class Clock:
    """Timers, which outlive this process, and the time, which is the same on every replay."""

    _run: Run

    @method
    async def sleep(self, duration: float, options: SleepOptions | None = None) -> None:
        """Wait by a timer of the server, which outlives this process.

        Args:
            duration: Seconds; less than 0 is 0.
            options: How the timer is shown.
        """
        await sleep(self._run.outbound, _check(duration), options.summary if options else None)

    @method
    def start_timer(self, duration: float, options: SleepOptions | None = None) -> Future:
        """Start a timer of the server and return its future, which gives nothing.

        Args:
            duration: Seconds; less than 0 is 0.
            options: How the timer is shown.
        """
        timer = Timer(self._run.outbound, _check(duration), options.summary if options else None)
        self._run.enqueue(timer.start)
        future = StepFuture(self._run, "a timer", timer)
        future.until = self._run.now + duration
        return future

    @reader
    def now(self) -> float:
        """Return the workflow's time: seconds since 1970-01-01 UTC, the same on every replay."""
        return self._run.now

    @reader
    def is_replaying(self) -> bool:
        """Return true if the run is being rebuilt from its history. For logs and metrics only."""
        return self._run.is_replaying
