"""`env`: environment variables of the process."""

from __future__ import annotations

import os
from dataclasses import dataclass

from assay.errors import BuiltinError
from assay.lua.declare import Library
from assay.lua.values import text_or_bytes
from assay.permissions.needs import ENV, ENV_ALL, ENV_SET

library = Library("env", "Environment variables of the process.")


@dataclass
class Variable:
    """An environment variable.

    Attributes:
        key: The name.
        value: The value.
    """

    key: str | bytes
    value: str | bytes


@library.function(needs=ENV)
def get(key: bytes) -> bytes | None:
    """Return the value of a variable, or nil if it is not set.

    Args:
        key: The name of the variable.
    """
    return os.environb.get(key)


@library.function(name="set", needs=ENV_SET)
def set_(key: bytes, value: bytes | None = None) -> None:
    """Set a variable for this process and its child processes; nil unsets it.

    Args:
        key: The name of the variable.
        value: The new value.
    """
    if not key or b"=" in key or b"\0" in key:
        raise BuiltinError("bad argument 'key' (a name without '=' expected)")
    if value is None:
        os.environb.pop(key, None)
    elif b"\0" in value:
        raise BuiltinError("bad argument 'value' (a string without NUL expected)")
    else:
        os.environb[key] = value


@library.function(name="list", needs=ENV_ALL)
def list_() -> list[Variable]:
    """Return all variables, sorted by name."""
    return [Variable(text_or_bytes(key), text_or_bytes(value)) for key, value in sorted(os.environb.items())]
