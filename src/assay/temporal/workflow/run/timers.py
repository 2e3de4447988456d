"""Timers of the server."""

from __future__ import annotations

from assay.temporal.workflow.run.entries import Cancelled, Entry
from assay.temporal.workflow.run.outbound import Outbound, set_summary

_SIZE = 128
"""Bytes that the command of a timer takes at most, beside its summary."""


class Timer(Entry[None]):
    """A timer of the server."""

    __slots__ = ("_outbound", "_seconds", "_seq", "_summary")

    def __init__(
        self, outbound: Outbound, seconds: float, summary: str | None = None, *, is_counted: bool = True
    ) -> None:
        """Make a timer of a script. Raises BuiltinError when the workflow task has no room for it, if `is_counted`."""
        super().__init__()
        if is_counted:
            outbound.admit(_SIZE + len(summary or ""))
        self._outbound = outbound
        self._seconds = seconds
        self._summary = summary
        self._seq = 0

    def start(self) -> Timer:
        """Start it, unless it was cancelled before."""
        if not self.is_done:
            self._seq = self._outbound.next("timer", self)
            command = self._outbound.add()
            command.start_timer.seq = self._seq
            command.start_timer.start_to_fire_timeout.FromNanoseconds(int(self._seconds * 1e9))
            set_summary(command, self._summary)
        return self

    def fire(self) -> None:
        """End: the time is over."""
        self.resolve(None)

    def cancel(self) -> None:
        """Stop it; whoever awaits it is cancelled."""
        if not self.is_done:
            self.stop()
            self.fail(Cancelled)

    def stop(self) -> None:
        """Stop it; it never ends."""
        if self._outbound.take("timer", self._seq) is not None:
            self._outbound.add().cancel_timer.seq = self._seq


async def sleep(outbound: Outbound, seconds: float, summary: str | None = None) -> None:
    """Wait for a timer, and stop it when the wait is cancelled."""
    timer = Timer(outbound, seconds, summary).start()
    try:
        await timer
    except Cancelled:
        timer.stop()
        raise
