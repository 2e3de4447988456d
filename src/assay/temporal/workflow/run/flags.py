"""Behaviour flags: what a replay could see differently, numbered.

The flags in force when a run completes its first workflow task are recorded in its history and decide on every replay,
so that a change of one of these behaviours never breaks an open run: a changed behaviour gets a new number, new runs
use it, and code asks `Flags.has` which one a run uses. A history without flags has those of the first release.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Flag(IntEnum):
    """One behaviour. Numbers are never used again."""

    MESSAGES_AFTER_START = 1
    """Signals, updates and cancels that come with the start are handled once the function waits for the first time."""
    FIBERS_IN_ORDER = 2
    """Fibers continue in the order in which the jobs of an activation resolve what they wait for."""
    LOCAL_ACTIVITIES_IN_ORDER = 3
    """Local activities end in the order of their starts, each once the run has done all that the one before caused."""
    PAIRS_SORTED = 4
    """`pairs` and `next` give numbers, strings, booleans, and then objects in the order in which they got numbers."""
    OBJECTS_NUMBERED = 5
    """`tostring` shows a number in place of an address, counted per run."""
    SORT_STABLE = 6
    """`table.sort` is a merge sort."""
    RANDOM_STREAMS = 7
    """What scripts draw comes from the run's seed; ids that the engine makes come from a stream of their own."""
    SPREAD_OVER_TASKS = 8
    """Answers of updates, and the end of the run, that find no room in a workflow task are sent by the next ones."""


FIRST_RELEASE = frozenset(Flag) - {Flag.SPREAD_OVER_TASKS}
"""The flags of runs whose history names none."""

CURRENT = frozenset(Flag)
"""The flags of new runs."""


class UnknownFlagError(Exception):
    """A history was recorded with flags of a newer release."""


class Flags:
    """The flags of one run."""

    __slots__ = ("_numbers",)

    def __init__(self, recorded: Iterable[int], *, is_new: bool) -> None:
        """Take the flags that the history has; those of today if the run is new. Raises UnknownFlagError."""
        numbers = frozenset(recorded)
        unknown = sorted(numbers - CURRENT)
        if unknown:
            names = ", ".join(map(str, unknown))
            raise UnknownFlagError(f"the history was recorded by a newer release of assay (behaviour flags {names})")
        self._numbers: frozenset[int] = numbers or (CURRENT if is_new else FIRST_RELEASE)

    def has(self, flag: Flag) -> bool:
        """Return true if a behaviour is in force."""
        return flag in self._numbers

    def numbers(self) -> list[int]:
        """Return the numbers, in order."""
        return sorted(self._numbers)
