"""The passes of a replay: the run once, and once or twice more for each step back.

A run comes to the same lines again, so a line is known by its number. One pass looks for the line to go back to, up to
where the run stood; the next goes there.
"""

from __future__ import annotations

from typing import Literal

from assay.debugging.wire import Message

Kind = Literal["anew", "again"]
"""How a run runs once more: with its script read anew, or as it is."""

_TO_THE_BEGINNING: Message = {"target": 1, "reason": "step"}


class Passes:
    """What comes after the pass that runs."""

    def __init__(self) -> None:
        self.trip: Message | None = None
        """The line that the pass goes to, or looks for; None when it stops as usual."""
        self._next: Message | None = None
        self._is_searching = False

    def restart(self) -> None:
        """Let the next pass begin anew."""
        self._next = {}

    def search(self, what: str, *, ticks: int, thread: int | None, below: int) -> None:
        """Let the next pass look for the line to go back to.

        `what` is "line", for the line before of a thread, or "point", for the last stop before. `ticks` is the number
        of the line on which the run stands, `below` the number of frames below its own.
        """
        self._is_searching = True
        self._next = {"target": ticks, "record": what, "thread": thread, "below": below}

    def found(self, tick: int) -> None:
        """Let the next pass go to the line that this one has found."""
        self._is_searching = False
        self._next = {"target": tick, "reason": "step"}

    def begin_next(self) -> Kind | None:
        """Begin the next pass: return how, or None when there is none."""
        wanted, self._next = self._next, None
        if wanted is None and self._is_searching:  # expressions have changed what the run did
            wanted, self._is_searching = _TO_THE_BEGINNING, False
        self.trip = wanted or None
        if wanted is None:
            return None
        return "again" if wanted else "anew"
