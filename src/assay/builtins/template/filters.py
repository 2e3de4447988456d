"""Filters of Jinja2 that the engine has not, or has otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


def to_int(value: Any, default: Any = 0, base: int = 10) -> Any:
    """An integer; `default` for what is none."""
    try:
        return int(value, base) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        number = to_float(value, math.nan)
        return int(number) if math.isfinite(number) else default


def to_float(value: Any, default: Any = 0.0) -> Any:
    """A float; `default` for what is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return default


def center(value: Any, width: int = 80) -> str:
    """A string in the middle of a line."""
    return str(value).center(width)


def truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "...", leeway: int = 5) -> str:
    """A string that is cut, behind a word unless `killwords`; one that is little longer is not."""
    text = str(value)
    if len(text) <= length + leeway:
        return text
    cut = text[: max(length - len(end), 0)]
    return cut + end if killwords else cut.rsplit(" ", 1)[0] + end


def wordcount(value: Any) -> int:
    """Return how many words a string has."""
    return len(str(value).split())


FILTERS: dict[str, Callable[..., Any]] = {
    "center": center,
    "float": to_float,
    "int": to_int,
    "truncate": truncate,
    "wordcount": wordcount,
}
