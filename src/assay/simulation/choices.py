"""Choices: the decisions of a schedule, by name."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

from assay.errors import AssayError

T = TypeVar("T", str, int, float)

Schedule = dict[str, str | int | float]
"""The choices that differ from the default, by name."""


class Unsupported(AssayError):
    """The workflow uses a feature that is not simulated."""


class Choices:
    """Makes each choice: from a schedule, at random, or the default.

    The name of a choice describes its subject, not its time. So removing one choice from a schedule does not change the
    others.
    """

    def __init__(
        self, chosen: Mapping[str, str | int | float] | None = None, source: random.Random | None = None
    ) -> None:
        """`source` makes the choices that `chosen` does not contain; without it they are the default."""
        self._chosen = chosen or {}
        self._source = source
        # A high rate in every schedule would hide what happens without faults.
        self._rate = source.choice((0.0, 0.03, 0.1, 0.3)) if source is not None else 0.0
        self._is_kind_disabled: dict[str, bool] = {}
        self.deviations: Schedule = {}
        """The choices so far that differ from the default, in order."""

    def pick(self, name: str, options: Sequence[T], kind: str = "") -> T:
        """Choose one of `options`; the first is the default. A schedule may omit all choices of one `kind`."""
        default = options[0]
        if len(options) < 2:
            return default
        if name in self._chosen:
            chosen = next((option for option in options if option == self._chosen[name]), default)
        elif self._source is None or self._is_disabled(kind) or self._source.random() >= self._rate:
            chosen = default
        else:
            chosen = self._source.choice(options[1:])
        if chosen != default:
            self.deviations[name] = chosen
        return chosen

    def moment(self, name: str, horizon: int, probability: float = 0.7) -> int:
        """Choose a moment up to `horizon`, counted from 1, or 0 for never, which is the default."""
        if name in self._chosen:
            value = self._chosen[name]
            chosen = value if isinstance(value, int) and value > 0 else 0
        elif self._source is None or horizon < 1 or self._source.random() >= probability:
            chosen = 0
        else:
            chosen = self._source.randint(1, horizon)
        if chosen:
            self.deviations[name] = chosen
        return chosen

    def _is_disabled(self, kind: str) -> bool:
        """Return true if the schedule omits a kind of choices, which is decided at random once per kind."""
        if not kind or self._source is None:
            return False
        if kind not in self._is_kind_disabled:
            self._is_kind_disabled[kind] = self._source.random() < 0.4
        return self._is_kind_disabled[kind]
