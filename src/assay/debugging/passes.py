"""Passes of a replay: one for the run, and one or two more for each step back.

A replay runs the same lines in the same order, so a position is identified by its tick: the number of lines that have
run. One pass searches for the tick to go back to, up to the current position; the next pass stops there.
"""

from __future__ import annotations

from typing import Literal

from assay.debugging.wire import Message

Kind = Literal["restart", "rerun"]
"""Kind of a further pass: with the script read again, or with the script as loaded."""

_FIRST_LINE: Message = {"target": 1, "reason": "step"}


class Passes:
    """The current and the next pass."""

    def __init__(self) -> None:
        self.rewind: Message | None = None
        """Position that the pass stops at or searches for; None if it stops as usual."""
        self._next: Message | None = None
        self._is_searching = False

    def restart(self) -> None:
        """Make the next pass a restart."""
        self._next = {}

    def search(self, kind: str, *, ticks: int, thread: int | None, below: int) -> None:
        """Make the next pass search for the tick to go back to.

        Args:
            kind: "line" for the previous line of the thread, "point" for the previous stop.
            ticks: Tick of the current position.
            thread: Thread that steps back.
            below: Number of frames below the current one.
        """
        self._is_searching = True
        self._next = {"target": ticks, "record": kind, "thread": thread, "below": below}

    def found(self, tick: int) -> None:
        """Make the next pass stop at `tick`, which this pass has found."""
        self._is_searching = False
        self._next = {"target": tick, "reason": "step"}

    def begin_next(self) -> Kind | None:
        """Begin the next pass and return its kind, or None if there is none."""
        position, self._next = self._next, None
        if position is None and self._is_searching:  # not found: expressions have changed the run
            position, self._is_searching = _FIRST_LINE, False
        self.rewind = position or None
        if position is None:
            return None
        return "rerun" if position else "restart"
