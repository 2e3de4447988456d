"""Ranges of bytes that a client asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"(?:([0-9]+)-([0-9]*)|-([0-9]+))")
_MAX_DIGITS = 18
"""More than any file has; Python takes long for numbers of thousands of digits."""


class UnsatisfiableError(Exception):
    """A range that has nothing of the file."""


def wanted(header: str | None, size: int) -> range | None:
    """Return the positions of the bytes that a Range header asks for; None for all.

    A header that is malformed, or has another unit, is ignored, as the RFC demands. So are several ranges: an answer
    with all of the file is right too, and no client that resumes a download asks for them.

    Args:
        header: The header's value.
        size: How many bytes there are.
    """
    unit, _, ranges = (header or "").partition("=")
    specs = [spec for part in ranges.split(",") if (spec := part.strip(" \t"))]
    found = _RANGE.fullmatch(specs[0]) if len(specs) == 1 else None
    if unit.strip(" \t").lower() != "bytes" or found is None:
        return None
    first, last, suffix = (_number(digits) for digits in found.groups())
    if suffix is not None:
        if suffix == 0:
            raise UnsatisfiableError
        return range(max(0, size - suffix), size) if size else None
    assert first is not None
    if last is not None and last < first:
        return None
    if first >= size:
        raise UnsatisfiableError
    return range(first, size if last is None else min(last + 1, size))


def _number(digits: str | None) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS
