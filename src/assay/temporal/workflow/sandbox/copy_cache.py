"""Cache of the copies of runs in which query handlers and validators run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from assay.lua.function import LuaFunction

MAX_COPIES = 8
"""Maximum number of copies that a worker caches. Each is as large as the part of the run that its handlers use."""

Stamp = tuple[int, float]
"""Progress counter and time of a run. As long as they are equal, nothing has happened in the run."""


@dataclass
class Copy:
    """A copy of a run.

    Attributes:
        host: Host of the copy.
        stamp: Stamp of the run when it was copied.
        functions: Functions of the copy, by the ids of the run's functions.
    """

    host: Any
    stamp: Stamp
    functions: dict[int, LuaFunction]

    def close(self) -> None:
        """Free the Lua state of the copy."""
        self.functions.clear()
        self.host.close_state()


class CopyCache:
    """The latest copy of each run of a worker. Thread-safe."""

    def __init__(self) -> None:
        self._copies: OrderedDict[object, Copy] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, run: object, stamp: Stamp, function: int) -> Copy | None:
        """Remove and return the copy of a run, if it is current and has the function; None otherwise."""
        with self._lock:
            copy = self._copies.pop(run, None)
        if copy is not None and (copy.stamp != stamp or function not in copy.functions):
            copy.close()
            return None
        return copy

    def put(self, run: object, copy: Copy) -> None:
        """Cache the copy of a run; evict the least recently used one if there are too many."""
        oldest = None
        with self._lock:
            self._copies[run] = copy
            if len(self._copies) > MAX_COPIES:
                _, oldest = self._copies.popitem(last=False)
        if oldest is not None:
            oldest.close()

    def drop(self, run: object) -> None:
        """Discard the copy of a run."""
        with self._lock:
            copy = self._copies.pop(run, None)
        if copy is not None:
            copy.close()
