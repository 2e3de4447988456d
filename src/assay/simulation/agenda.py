"""The virtual clock and the items that are due."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import NamedTuple

START = 1_700_000_000_000_000_000
"""When a simulated world begins, in nanoseconds since 1970-01-01 UTC."""

SECOND = 1_000_000_000


class Due:
    """Something that is due; it may be called off."""

    __slots__ = ("action", "is_off")

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.is_off = False

    def call_off(self) -> None:
        """Do not do it."""
        self.is_off = True


class _Item(NamedTuple):
    at: int
    number: int
    due: Due


class Agenda:
    """Due items by time; items that are due at the same time keep the order in which they were added."""

    def __init__(self) -> None:
        self.now = START
        self._items: list[_Item] = []
        self._count = 0

    def add(self, seconds: float, action: Callable[[], None]) -> Due:
        """Do something in so many seconds."""
        due = Due(action)
        self._count += 1
        heapq.heappush(self._items, _Item(self.now + max(0, round(seconds * SECOND)), self._count, due))
        return due

    def next(self) -> int | None:
        """Return when something is due next; None when nothing is."""
        while self._items and self._items[0].due.is_off:
            heapq.heappop(self._items)
        return self._items[0].at if self._items else None

    def advance(self, to: int) -> None:
        """Let time pass."""
        self.now = max(self.now, to)

    def take(self) -> Due:
        """Take what is due next, and let time pass until then."""
        assert self.next() is not None
        item = heapq.heappop(self._items)
        self.advance(item.at)
        return item.due
