"""Conversion of times: seconds since 1970-01-01 UTC in Lua, datetimes in the SDK."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from assay.errors import BuiltinError
from assay.lua.convert import lua_type
from assay.lua.values import Value

EXPECTED = "seconds since 1970-01-01 UTC, or ISO 8601 text with a zone"
"""Formats that `read` accepts, for messages."""


def read(value: Value) -> datetime | None:
    """Parse a time given as seconds or as an ISO 8601 string; returns None if it is neither."""
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value)
            return time if time.tzinfo is not None else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def option(value: Value, name: str) -> datetime:
    """Return the time in an option. Raises BuiltinError."""
    time = read(value)
    if time is None:
        got = f'"{value}"' if isinstance(value, str) else str(value) if lua_type(value) == "number" else lua_type(value)
        raise BuiltinError(f"bad option '{name}' ({EXPECTED} expected, got {got})")
    return time


def timestamp(value: datetime | None) -> float | None:
    """Return a time as seconds since 1970-01-01 UTC."""
    return None if value is None else value.timestamp()


def timestamps(values: Sequence[datetime]) -> list[float]:
    """Return times as seconds since 1970-01-01 UTC."""
    return [value.timestamp() for value in values]
