"""Range requests (RFC 9110, section 14)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"(?:([0-9]+)-([0-9]*)|-([0-9]+))")
_MAX_DIGITS = 18
"""Maximum number of digits to parse, more than any file size has; Python is slow on very long numbers."""


class UnsatisfiableError(Exception):
    """A range lies outside the file."""


def requested(header: str | None, size: int) -> range | None:
    """Return the byte positions that a Range header requests, or None for the whole file.

    A malformed header or another unit is ignored, as the RFC requires. Multiple ranges are ignored too: the RFC allows
    a response with the whole file, and clients that resume a download do not use them.

    Raises UnsatisfiableError if the range lies outside the file.

    Args:
        header: The header's value.
        size: The size of the file, in bytes.
    """
    unit, _, ranges = (header or "").partition("=")
    specs = [spec for part in ranges.split(",") if (spec := part.strip(" \t"))]
    match = _RANGE.fullmatch(specs[0]) if len(specs) == 1 else None
    if unit.strip(" \t").lower() != "bytes" or match is None:
        return None
    first, last, suffix = (_number(digits) for digits in match.groups())
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
