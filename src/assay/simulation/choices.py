"""Choices: everything that may go one way or another in a schedule, by name."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

from assay.errors import AssayError

T = TypeVar("T", str, int, float)

Schedule = dict[str, str | int | float]
"""The choices that differ from the usual ones, by name: the events of a schedule."""


class Unsupported(AssayError):
    """The simulation met something that it does not simulate."""


class Choices:
    """Takes each choice: as a schedule says, else by chance, else the usual way.

    Names depend on what a choice is about and not on when it is taken, so that a schedule from which an event is
    removed still says the same of the others.
    """

    def __init__(
        self, chosen: Mapping[str, str | int | float] | None = None, source: random.Random | None = None
    ) -> None:
        """`source` decides what `chosen` does not name; without it that goes the usual way."""
        self._chosen = chosen or {}
        self._source = source
        # Few schedules are so full of faults that nothing else happens in them.
        self._rate = source.choice((0.0, 0.03, 0.1, 0.3)) if source is not None else 0.0
        self._shunned: dict[str, bool] = {}
        self.taken: Schedule = {}
        """The choices that differ from the usual ones, in the order of time."""

    def pick(self, name: str, options: Sequence[T], kind: str = "") -> T:
        """Return one of `options`, the first of which is the usual one. A whole kind may be left out of a schedule."""
        usual = options[0]
        if len(options) < 2:
            return usual
        if name in self._chosen:
            chosen = next((option for option in options if option == self._chosen[name]), usual)
        elif self._source is None or self._shuns(kind) or self._source.random() >= self._rate:
            chosen = usual
        else:
            chosen = self._source.choice(options[1:])
        if chosen != usual:
            self.taken[name] = chosen
        return chosen

    def moment(self, name: str, horizon: int, likely: float = 0.7) -> int:
        """Return a moment up to `horizon`, counted from 1; 0 for never."""
        if name in self._chosen:
            given = self._chosen[name]
            chosen = given if isinstance(given, int) and given > 0 else 0
        elif self._source is None or horizon < 1 or self._source.random() >= likely:
            chosen = 0
        else:
            chosen = self._source.randint(1, horizon)
        if chosen:
            self.taken[name] = chosen
        return chosen

    def _shuns(self, kind: str) -> bool:
        if not kind or self._source is None:
            return False
        if kind not in self._shunned:
            self._shunned[kind] = self._source.random() < 0.4
        return self._shunned[kind]
