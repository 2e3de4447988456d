"""Behavior flags, which version the observable behavior of the engine.

The first workflow task of a run records the flags in force in the history, and replays use the recorded ones. A changed
behavior gets a new flag: new runs use it, open runs keep the old behavior, and the code branches on `Flags.has`. A
history without flags has those of the first release. A worker that meets an unknown flag fails the workflow task with
`UnknownFlagError`, so that a newer worker can continue the run.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Flag(IntEnum):
    """A behavior of the engine. Numbers are never reused."""

    MESSAGES_AFTER_START = 1
    """Signals, updates and cancel requests that arrive with the start are handled after the function's first wait."""
    FIBERS_IN_ORDER = 2
    """Fibers continue in the order in which the jobs of an activation resolve their waits."""
    LOCAL_ACTIVITIES_IN_ORDER = 3
    """Local activities end in the order in which they were started, one at a time, each once the run is idle."""
    PAIRS_SORTED = 4
    """`pairs` and `next` return numbers, strings and booleans in order, then objects by their id."""
    OBJECTS_NUMBERED = 5
    """`tostring` shows an id, counted per run, instead of an address."""
    SORT_STABLE = 6
    """`table.sort` is a merge sort."""
    RANDOM_STREAMS = 7
    """Random numbers of scripts and ids that the engine generates come from separate streams of the run's seed."""
    SPREAD_OVER_TASKS = 8
    """Update responses and the end of the run move to the next workflow task if the current one has no room."""


FIRST_RELEASE = frozenset(Flag) - {Flag.SPREAD_OVER_TASKS}
"""Flags of runs whose history has none."""

CURRENT = frozenset(Flag)
"""Flags of new runs."""


class UnknownFlagError(Exception):
    """Raised for a history that was recorded with flags of a newer release."""


class Flags:
    """The flags of a run."""

    __slots__ = ("_numbers",)

    def __init__(self, recorded: Iterable[int], *, is_new: bool) -> None:
        """Use the recorded flags; without any, those of a new run or of the first release. Raises UnknownFlagError."""
        numbers = frozenset(recorded)
        unknown = sorted(numbers - CURRENT)
        if unknown:
            names = ", ".join(map(str, unknown))
            raise UnknownFlagError(f"the history was recorded by a newer release of assay (behavior flags {names})")
        self._numbers: frozenset[int] = numbers or (CURRENT if is_new else FIRST_RELEASE)

    def has(self, flag: Flag) -> bool:
        """Return true if the run has a flag."""
        return flag in self._numbers

    def numbers(self) -> list[int]:
        """Return the numbers of the flags in ascending order."""
        return sorted(self._numbers)
