"""Plain scalars of YAML 1.2's core schema."""

from __future__ import annotations

import re
from typing import Any

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
BOOLEANS = {text: text.lower() == "true" for text in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_NANS = frozenset({".nan", ".NaN", ".NAN"})
_FIRST_CHARACTERS = frozenset("0123456789+-.~nNtTfF")  # of plain scalars that may not be strings
_MAX_DIGITS = 400  # a longer number exceeds the range of floats


def resolve(text: str) -> Any:
    """Return the value of a plain scalar."""
    if text and text[0] not in _FIRST_CHARACTERS:
        return text
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    if _INTEGER.fullmatch(text) and len(text) < _MAX_DIGITS:
        number = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        return number if -(2**63) <= number < 2**63 else float(number)
    if _FLOAT.fullmatch(text):
        return float(text)
    infinite = _INFINITE.fullmatch(text)
    if infinite:
        return float(f"{infinite[1]}inf")
    return float("nan") if text in _NANS else text
