"""Smaller schedules that still fail: fewer events, then earlier and shorter ones."""

from __future__ import annotations

from collections.abc import Callable

from assay.simulation.choices import Schedule

Fails = Callable[[Schedule], Schedule | None]
"""Runs a schedule; returns what was chosen in it if it fails as before."""

BUDGET = 600
"""Schedules that are tried."""


def shrink(schedule: Schedule, fails: Fails, budget: int = BUDGET) -> Schedule:
    """Return the smallest schedule found that fails."""
    return _Shrinking(schedule, fails, budget).run()


class _Shrinking:
    def __init__(self, schedule: Schedule, fails: Fails, budget: int) -> None:
        self._best = dict(schedule)
        self._fails = fails
        self._left = budget

    def run(self) -> Schedule:
        while self._left > 0:
            before = dict(self._best)
            self._remove()
            self._lower()
            if self._best == before:
                break
        return self._best

    def _try(self, candidate: Schedule) -> bool:
        if self._left <= 0 or candidate == self._best:
            return False
        self._left -= 1
        taken = self._fails(candidate)
        if taken is None or _size(taken) >= _size(self._best):
            return False
        self._best = dict(taken)
        return True

    def _remove(self) -> None:
        """Leave out as many events as possible: halves, quarters, and so on down to single ones."""
        size = max(1, len(self._best) // 2)
        while True:
            at = 0
            while at < len(self._best):
                names = list(self._best)
                rest = names[:at] + names[at + size :]
                if not self._try({name: self._best[name] for name in rest}):
                    at += size
            if size == 1:
                return
            size //= 2

    def _lower(self) -> None:
        """Let what is counted come earlier, or be less."""
        for name in list(self._best):
            value = self._best.get(name)
            if not isinstance(value, int):
                continue
            lower = [*range(1, min(value, 6)), value // 2, value - 1]
            for smaller in dict.fromkeys(number for number in lower if 0 < number < value):
                if self._try({**self._best, name: smaller}):
                    break


def _size(schedule: Schedule) -> tuple[int, float]:
    """Fewer events are smaller, then lower numbers."""
    return len(schedule), sum(value for value in schedule.values() if not isinstance(value, str))
