"""Outcomes of calls: a tag and plain values, which Lua turns into results or an error (see `host/bind.lua`)."""

from __future__ import annotations

import os
from typing import Any

from assay.errors import AssayError, ErrorObject, WireError
from assay.lua import values
from assay.lua.objects import Objects
from assay.lua.spawned import TaskOutcome, TaskResults
from assay.lua.state import Outcome
from assay.lua.values import Json, Record
from assay.permissions import paths

_PLAIN = {type(None), bool, float, bytes}  # passed to Lua unchanged


class Results(tuple[Any, ...]):
    """Multiple results of one call."""


def of_result(result: Any, objects: Objects) -> Outcome:
    """Return the outcome of a call that returned `result`."""
    if type(result) in _PLAIN:
        return b"v", result
    if isinstance(result, Record):
        items = result.flatten()
        if items is not None:
            return b"s", *items
        result = result.plain()
    if isinstance(result, str):
        return b"v", result.encode("utf-8", "surrogateescape")
    if isinstance(result, Json):
        return b"j", bytes(result)
    if isinstance(result, bytes):
        return b"v", bytes(result)
    if isinstance(result, TaskOutcome | TaskResults):
        return b"k" if isinstance(result, TaskOutcome) else b"r", int(result)
    if isinstance(result, int):
        return b"v", result if values.MIN_INTEGER <= result <= values.MAX_INTEGER else float(result)
    handle = getattr(result, "lua_name", None)
    if handle is not None:
        return b"h", handle.encode(), objects.keep(result)
    is_multiple = isinstance(result, Results)
    text, attachments = values.encode(list(result) if is_multiple else result)
    return b"m" if is_multiple else b"t", text, *attachments


def of_error(title: str, error: Exception, objects: Objects) -> Outcome:
    """Return the outcome of a call of the function `title` that raised `error`."""
    if isinstance(error, ErrorObject):
        return _error_object(title, error, objects)
    if isinstance(error, AssayError):
        return b"e", f"{title}: {error}".encode("utf-8", "replace")
    if isinstance(error, OSError) and error.strerror:
        where = b"" if error.filename is None else _file_name(error.filename) + b": "
        return b"e", f"{title}: ".encode() + where + error.strerror.encode()
    if isinstance(error, RecursionError):
        return b"e", f"{title}: the value is nested too deeply".encode()
    return b"e", f"{title}: {type(error).__name__}: {error}".encode("utf-8", "replace")


def is_expected(error: Exception) -> bool:
    """Return true if an error is described by its message, so that a Python traceback would not help."""
    return isinstance(error, AssayError | RecursionError) or (isinstance(error, OSError) and bool(error.strerror))


def _error_object(title: str, error: ErrorObject, objects: Objects) -> Outcome:
    fields = error.fields if error.is_whole else error.fields | {"message": f"{title}: {error}"}
    try:
        text, attachments = values.encode(fields)
    except WireError:
        text, attachments = values.encode({name: value for name, value in fields.items() if isinstance(value, str)})
    origin = 0 if error.origin is None else objects.keep(error.origin)
    return b"f", origin, text, *attachments


def _file_name(name: Any) -> bytes:
    if isinstance(name, bytes):
        return paths.given(name)
    return os.fsencode(name) if isinstance(name, str) else str(name).encode()
