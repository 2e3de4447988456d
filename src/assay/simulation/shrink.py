"""Shrinks failing schedules: removes choices, then lowers their numbers."""

from __future__ import annotations

from collections.abc import Callable

from assay.simulation.choices import Schedule

Fails = Callable[[Schedule], Schedule | None]
"""Runs a schedule; returns its deviations if it fails in the same way as the original."""

MAX_RUNS = 600
"""Default maximum number of schedules to run."""


def shrink(schedule: Schedule, fails: Fails, max_runs: int = MAX_RUNS) -> Schedule:
    """Return the smallest failing schedule that is found within `max_runs` runs."""
    return _Shrinker(schedule, fails, max_runs).run()


class _Shrinker:
    def __init__(self, schedule: Schedule, fails: Fails, max_runs: int) -> None:
        self._best = dict(schedule)
        self._fails = fails
        self._remaining_runs = max_runs

    def run(self) -> Schedule:
        while self._remaining_runs > 0:
            before = dict(self._best)
            self._remove()
            self._lower()
            if self._best == before:
                break
        return self._best

    def _try(self, candidate: Schedule) -> bool:
        """Run a candidate, and keep it if it fails and is smaller than the best schedule; return true if it is kept."""
        if self._remaining_runs <= 0 or candidate == self._best:
            return False
        self._remaining_runs -= 1
        deviations = self._fails(candidate)
        if deviations is None or _size(deviations) >= _size(self._best):
            return False
        self._best = dict(deviations)
        return True

    def _remove(self) -> None:
        """Remove as many choices as possible: halves, then quarters, down to single choices."""
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
        """Lower the numbers: earlier moments, smaller counts."""
        for name in list(self._best):
            value = self._best.get(name)
            if not isinstance(value, int):
                continue
            lower = [*range(1, min(value, 6)), value // 2, value - 1]
            for smaller in dict.fromkeys(number for number in lower if 0 < number < value):
                if self._try({**self._best, name: smaller}):
                    break


def _size(schedule: Schedule) -> tuple[int, float]:
    """Return a sort key: the number of choices, then the sum of the numbers."""
    return len(schedule), sum(value for value in schedule.values() if not isinstance(value, str))
