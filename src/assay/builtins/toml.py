"""`toml`: parse and encode TOML."""

from __future__ import annotations

import datetime
from typing import Any

from assay.errors import BuiltinError
from assay.lua.declare import Library
from assay.lua.values import Value

library = Library("toml", "Parse and encode TOML 1.0. Dates and times are parsed as ISO 8601 strings.")

_WORKFLOW_BYTES = 8 * 1024  # the parser takes quadratic time for a key with thousands of parts


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def parse(text: str) -> dict[str, Value]:
    """Parse a document. A syntax error is raised with its line and column.

    Args:
        text: The document.
    """
    import tomllib

    try:
        return {key: _plain(value) for key, value in tomllib.loads(text.removeprefix("\ufeff")).items()}
    except ValueError as error:
        is_huge = "integer string conversion" in str(error)  # Python refuses to read more than 4300 digits
        raise BuiltinError("integer exceeds 64 bits" if is_huge else str(error)) from None


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def encode(value: Value) -> str:
    """Encode a table with string keys as a document, sorted by key.

    `json.null`, which TOML cannot represent, and strings that are not valid UTF-8 raise an error with their path.

    Args:
        value: The table.
    """
    import tomli_w

    if not isinstance(value, dict):
        raise BuiltinError("bad argument 'value' (a table with string keys expected)")
    _check(value, "")
    return tomli_w.dumps(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"integer exceeds 64 bits: {value}")
    return value


def _check(value: Any, path: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _check(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value, 1):
            _check(item, f"{path}[{index}]")
    elif value is None:
        raise BuiltinError(f"TOML cannot represent null, at {path}")
    elif isinstance(value, bytes):
        raise BuiltinError(f"invalid UTF-8 at {path}")
