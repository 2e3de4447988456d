"""Durable timers of the server. A `fire_timer` job (`jobs.py`) calls `Timer.fire`."""

from __future__ import annotations

from assay.temporal.workflow.run.entries import Cancelled, Entry
from assay.temporal.workflow.run.outbound import Outbound, set_summary

_SIZE = 128
"""Maximum size of a timer's command without its summary, in bytes."""


class Timer(Entry[None]):
    """A timer of the server."""

    __slots__ = ("_outbound", "_seconds", "_seq", "_summary")

    def __init__(
        self, outbound: Outbound, seconds: float, summary: str | None = None, *, is_reserved: bool = True
    ) -> None:
        """Create a timer. With `is_reserved`, raises BuiltinError if the workflow task has no room for it."""
        super().__init__()
        if is_reserved:
            outbound.reserve_bytes(_SIZE + len(summary or ""))
        self._outbound = outbound
        self._seconds = seconds
        self._summary = summary
        self._seq = 0

    def start(self) -> Timer:
        """Start the timer, unless it has been cancelled."""
        if not self.is_done:
            self._seq = self._outbound.register("timer", self)
            command = self._outbound.add()
            command.start_timer.seq = self._seq
            command.start_timer.start_to_fire_timeout.FromNanoseconds(int(self._seconds * 1e9))
            set_summary(command, self._summary)
        return self

    def fire(self) -> None:
        """End the timer: its time is up."""
        self.resolve(None)

    def cancel(self) -> None:
        """Stop the timer and raise `Cancelled` in its waiter."""
        if not self.is_done:
            self.stop()
            self.fail(Cancelled)

    def stop(self) -> None:
        """Stop the timer, which then never ends."""
        if self._outbound.take("timer", self._seq) is not None:
            self._outbound.add().cancel_timer.seq = self._seq


async def sleep(outbound: Outbound, seconds: float, summary: str | None = None) -> None:
    """Sleep on a timer; stop the timer if the wait is cancelled."""
    timer = Timer(outbound, seconds, summary).start()
    try:
        await timer
    except Cancelled:
        timer.stop()
        raise
