"""The virtual clock of a simulation and its timers."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import NamedTuple

START = 1_700_000_000_000_000_000
"""Start time of each simulation, in nanoseconds since 1970-01-01 UTC."""

SECOND = 1_000_000_000


class Timer:
    """A call that is scheduled on the clock."""

    __slots__ = ("action", "is_cancelled")

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.is_cancelled = False

    def cancel(self) -> None:
        """Cancel the call."""
        self.is_cancelled = True


class _Item(NamedTuple):
    at: int
    number: int
    timer: Timer


class Clock:
    """The virtual time and its timers; timers that are due at the same time fire in the order of their creation."""

    def __init__(self) -> None:
        self.now = START
        self._items: list[_Item] = []
        self._count = 0

    def call_later(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Schedule a call after a number of seconds."""
        timer = Timer(action)
        self._count += 1
        heapq.heappush(self._items, _Item(self.now + max(0, round(seconds * SECOND)), self._count, timer))
        return timer

    def next_due(self) -> int | None:
        """Return the time of the next timer, or None if there are no timers."""
        while self._items and self._items[0].timer.is_cancelled:
            heapq.heappop(self._items)
        return self._items[0].at if self._items else None

    def advance(self, to: int) -> None:
        """Advance the time; never move it back."""
        self.now = max(self.now, to)

    def pop(self) -> Timer:
        """Remove and return the next timer, and advance the time to it."""
        assert self.next_due() is not None
        item = heapq.heappop(self._items)
        self.advance(item.at)
        return item.timer
