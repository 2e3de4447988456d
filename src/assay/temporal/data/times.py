"""Points in time: seconds since 1970-01-01 UTC in Lua, datetimes in the SDK."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from assay.errors import BuiltinError
from assay.lua.convert import lua_type
from assay.lua.values import Value

EXPECTED = "seconds since 1970-01-01 UTC, or ISO 8601 text with a zone"
"""What `read` reads."""


def read(value: Value) -> datetime | None:
    """A time of seconds or of a text; None when it is neither."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found if found.tzinfo is not None else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def option(value: Value, name: str) -> datetime:
    """The time that an option gives. Raises BuiltinError."""
    found = read(value)
    if found is None:
        got = f'"{value}"' if isinstance(value, str) else str(value) if lua_type(value) == "number" else lua_type(value)
        raise BuiltinError(f"bad option '{name}' ({EXPECTED} expected, got {got})")
    return found


def timestamp(value: datetime | None) -> float | None:
    """A time as Lua's seconds."""
    return None if value is None else value.timestamp()


def timestamps(values: Sequence[datetime]) -> list[float]:
    """Times as Lua's seconds."""
    return [value.timestamp() for value in values]
