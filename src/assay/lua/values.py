"""Serialization of values between Lua and Python as wire text (see `host/wire.lua`).

Lua strings become `str` if they are valid UTF-8, else `bytes`; tables become `dict` or `list`, and `json.null` becomes
`None`; integers and floats keep their type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from math import isfinite
from typing import Any, NewType, NoReturn

from assay.errors import WireError

Value = Any
"""A plain value: None, bool, int, float, str, bytes, list or dict."""

Name = NewType("Name", str)
"""Type of an option that is a name: a non-empty string. Numbers are not converted."""

Seconds = NewType("Seconds", float)
"""Type of an option that is a duration in seconds: from 0 to ten thousand years, Temporal's maximum."""

MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)

MAX_ATTACHMENTS = 100  # lupa's cost per argument grows with their number


class Path(bytes):
    """A file system path: bytes without NUL."""


class Json(bytes):
    """JSON that crosses the boundary unparsed.

    A value that is a single string of invalid UTF-8, which JSON cannot represent, is "=" and its bytes.
    """

    @property
    def raw(self) -> bytes | None:
        """The bytes of a string that is not valid UTF-8; None for other values."""
        return bytes(self[1:]) if self[:1] == b"=" else None

    @classmethod
    def of(cls, value: Value) -> Json:
        """Serialize a value with sorted keys.

        Raises ValueError, whose message names the path, or RecursionError if it is not JSON-serializable.
        """
        import orjson

        try:
            text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            text = b"null"
        if b"null" not in text:
            return cls(text)
        # orjson writes non-finite floats as null and limits nesting; `json` raises or handles these.
        import json

        _check(value, "")
        return cls(json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode())


def _check(value: Any, path: str) -> None:
    """Raise ValueError for a value that JSON cannot represent, in the words of `host/encode.lua`."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, bytes):
                _refuse("a key that is not valid UTF-8", path)
            _check(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value, 1):
            _check(item, f"{path}[{index}]")
    elif isinstance(value, float) and not isfinite(value):
        _refuse("NaN" if value != value else "an infinite number", path)
    elif isinstance(value, bytes):
        _refuse("a string that is not valid UTF-8", path)
    elif value is not None and not isinstance(value, str | int | float):
        _refuse("a function" if callable(value) else f"a value of type {type(value).__name__}", path)


def _refuse(problem: str, path: str) -> NoReturn:
    raise ValueError(f"{problem} at {path}" if path else problem)


class Record:
    """A flat table of strings, numbers and booleans, and of tables of strings, with a faster path to Lua.

    Strings are bytes.
    """

    __slots__ = ("fields", "tables")

    def __init__(self, fields: dict[bytes, Any], tables: dict[bytes, dict[bytes, bytes]]) -> None:
        self.fields = fields
        self.tables = tables

    def flatten(self) -> list[Any] | None:
        """Return the record as arguments for Lua, in the form that `fields` reads; None if there are too many."""
        items: list[Any] = [len(self.fields), *chain.from_iterable(self.fields.items())]
        for name, table in self.tables.items():
            items += name, len(table), *chain.from_iterable(table.items())
        return items if len(items) < 2 * MAX_ATTACHMENTS else None

    def plain(self) -> dict[str, Any]:
        """Return the record as a dictionary."""
        table = {name.decode(): _plain(value) for name, value in self.fields.items()}
        for name, inner in self.tables.items():
            table[name.decode()] = {key.decode("utf-8", "replace"): text_or_bytes(text) for key, text in inner.items()}
        return table


def fields(items: Sequence[Any]) -> dict[str, Any]:
    """Return the table of a flattened record.

    That is the number of its fields, their keys and values, and for each inner table its name and the same.
    """
    table: dict[str, Any] = {}
    stop = 1 + 2 * items[0]
    for position in range(1, stop, 2):
        table[_plain(items[position])] = _plain(items[position + 1])
    while stop < len(items):
        name, first = _plain(items[stop]), stop + 2
        stop = first + 2 * items[stop + 1]
        table[name] = {_plain(items[at]): _plain(items[at + 1]) for at in range(first, stop, 2)}
    return table


def _plain(value: Any) -> Any:
    return text_or_bytes(value) if isinstance(value, bytes) else value


def text_or_bytes(raw: bytes) -> str | bytes:
    """Decode a Lua string; returns the bytes if it is not valid UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def decode(text: bytes, attachments: Sequence[bytes], function: Callable[[int], Any] | None = None) -> Value:
    """Parse wire text with its attachments; `function` creates the object for a Lua function's id."""
    import orjson

    value = orjson.loads(text)
    if b"\\u0000" not in text:
        return value

    def resolve(item: Any) -> Any:
        if isinstance(item, str) and item.startswith("\0"):
            tag, rest = item[1], item[2:]
            if tag == "r":
                return text_or_bytes(attachments[int(rest) - 1])
            if tag == "x":
                return text_or_bytes(bytes.fromhex(rest))
            if tag == "d":
                return float(rest)
            if tag == "f" and function is not None:
                return function(int(rest))
            raise WireError(f"unknown wire form {tag!r}")
        if isinstance(item, dict):
            return {key: resolve(entry) for key, entry in item.items()}
        if isinstance(item, list):
            return [resolve(entry) for entry in item]
        return item

    return resolve(value)


def encode(value: Value) -> tuple[bytes, list[bytes]]:
    """Serialize a value; returns the wire text and its attachments. Dataclasses become tables. Raises WireError."""
    import orjson

    attachments: list[bytes] = []

    def default(item: Any) -> str:
        if isinstance(item, bytes | bytearray):
            if len(attachments) == MAX_ATTACHMENTS:
                return f"\0x{item.hex()}"
            attachments.append(bytes(item))
            return f"\0r{len(attachments)}"
        raise WireError(f"a value of type {type(item).__name__}")

    options = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME
    try:
        text = orjson.dumps(value, default, options)
        # orjson writes non-finite floats as null.
        if text.count(b'"\\u0000') != len(attachments) or b"null" in text:
            attachments.clear()
            text = orjson.dumps(_protect(value), default, options)
    except orjson.JSONEncodeError as error:
        cause = error.__cause__
        problem = str(cause if isinstance(cause, WireError) else error)
        raise WireError("the value is nested too deeply" if "Recursion" in problem else problem) from None
    return text, attachments


def _protect(value: Any) -> Any:
    """Convert strings that look like wire forms into bytes, and non-finite floats into wire forms."""
    import dataclasses

    if isinstance(value, str) and value.startswith("\0"):
        return value.encode()
    if isinstance(value, float) and not isfinite(value):
        return f"\0d{value}"
    if isinstance(value, dict):
        return {key: _protect(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_protect(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {field.name: _protect(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
