"""Filters of Jinja2 that minijinja lacks or implements differently."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import minijinja

from assay.errors import BuiltinError

MAX_WIDTH = 100_000
"""Maximum width of padding: memory for a huge one would end the process."""

_PLAIN = minijinja.Environment()
"""An environment with only the filters of minijinja."""


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
    return _text(value).center(_check_width(width))


def indent(value: Any, width: int = 4, first: bool = False, blank: bool = False) -> str:
    """Indent the lines of a string, except the first unless `first`, and empty lines unless `blank`."""
    _check_width(width)
    expression = "text|indent(width, first, blank)"
    return str(_PLAIN.eval_expr(expression, text=_text(value), width=width, first=first, blank=blank))


def _text(value: Any) -> str:
    """Return a value as a template prints it; None is null or an undefined variable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _check_width(width: int) -> int:
    if width > MAX_WIDTH:
        raise BuiltinError(f"a width of {width} is more than {MAX_WIDTH}")
    return width


def truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "...", leeway: int = 5) -> str:
    """Truncate a string that exceeds `length` by more than `leeway`, at a word boundary unless `killwords`."""
    text = _text(value)
    if len(text) <= length + leeway:
        return text
    head = text[: max(length - len(end), 0)]
    return head + end if killwords else head.rsplit(" ", 1)[0] + end


def wordcount(value: Any) -> int:
    """Return the number of words in a string."""
    return len(_text(value).split())


FILTERS: dict[str, Callable[..., Any]] = {
    "center": center,
    "float": to_float,
    "indent": indent,
    "int": to_int,
    "truncate": truncate,
    "wordcount": wordcount,
}
