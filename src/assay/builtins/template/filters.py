"""Filters of Jinja2 that minijinja lacks or implements differently."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


def to_int(value: Any, default: Any = 0, base: int = 10) -> Any:
    """Convert to an integer, or return `default`."""
    try:
        return int(value, base) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        number = to_float(value, math.nan)
        return int(number) if math.isfinite(number) else default


def to_float(value: Any, default: Any = 0.0) -> Any:
    """Convert to a float, or return `default`."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return default


def center(value: Any, width: int = 80) -> str:
    """Center a string in a field of the given width."""
    return str(value).center(width)


def truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "...", leeway: int = 5) -> str:
    """Truncate a string that exceeds `length` by more than `leeway`, at a word boundary unless `killwords`."""
    text = str(value)
    if len(text) <= length + leeway:
        return text
    head = text[: max(length - len(end), 0)]
    return head + end if killwords else head.rsplit(" ", 1)[0] + end


def wordcount(value: Any) -> int:
    """Return the number of words in a string."""
    return len(str(value).split())


FILTERS: dict[str, Callable[..., Any]] = {
    "center": center,
    "float": to_float,
    "int": to_int,
    "truncate": truncate,
    "wordcount": wordcount,
}
