"""Copies of runs, in which query handlers and validators run: made for a moment of a run, and kept for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from assay.lua.function import LuaFunction

MAX_COPIES = 8
"""Copies that a worker keeps: each is as large as the part of the run that its handlers reach."""

Stamp = tuple[int, float]
"""A moment of a run: nothing has happened between two equal ones."""


@dataclass
class Copy:
    """A copy of a run.

    Attributes:
        host: Its host.
        stamp: The moment of the run that it shows.
        functions: Its functions, by the ids of the run's.
    """

    host: Any
    stamp: Stamp
    functions: dict[int, LuaFunction]

    def close(self) -> None:
        """Free its state."""
        self.functions.clear()
        self.host.close_state()


class Copies:
    """The copies of a worker's runs, one for each run, the latest of them. Used by several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, Copy] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, run: object, stamp: Stamp, function: int) -> Copy | None:
        """Take the copy of a run out, if it shows this moment and has a function of the run."""
        with self._lock:
            copy = self._kept.pop(run, None)
        if copy is not None and (copy.stamp != stamp or function not in copy.functions):
            copy.close()
            return None
        return copy

    def give(self, run: object, copy: Copy) -> None:
        """Keep the copy of a run; the one that was not used for the longest time goes when there are too many."""
        oldest = None
        with self._lock:
            self._kept[run] = copy
            if len(self._kept) > MAX_COPIES:
                _, oldest = self._kept.popitem(last=False)
        if oldest is not None:
            oldest.close()

    def drop(self, run: object) -> None:
        """Let go of the copy of a run that ends."""
        with self._lock:
            copy = self._kept.pop(run, None)
        if copy is not None:
            copy.close()
