"""Values on their way between Lua and Python, as wire text (see `host/wire.lua`).

Lua strings become `str` when they are UTF-8 and `bytes` when not; tables become `dict` or `list`, with
`json.null` as `None`; integers and floats stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from math import isfinite
from typing import Any, NewType

from assay.errors import WireError

Value = Any
"""Any value that both sides know: None, bool, int, float, str, bytes, list, dict."""

Name = NewType("Name", str)
"""An option that names something: a string that is not empty, and never a number that would become one."""

Seconds = NewType("Seconds", float)
"""An option that is a length of time: 0 or more, and not more than the ten thousand years that Temporal knows."""

MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)

MAX_ATTACHMENTS = 100  # lupa's cost per argument grows with their number


class Path(bytes):
    """A path in the file system: any bytes but NUL."""


class Json(bytes):
    """JSON text that crosses as it is: one side wrote it, the other side reads it.

    A string that is no UTF-8 text, which JSON has no word for, crosses as "=" and its bytes when it is the whole value.
    """

    @property
    def raw(self) -> bytes | None:
        """The bytes when the value is a string that is not valid UTF-8."""
        return bytes(self[1:]) if self[:1] == b"=" else None

    @classmethod
    def of(cls, value: Value) -> Json:
        """The text of a value, with its keys in order.

        Raises TypeError, ValueError or RecursionError when not JSON-serializable.
        """
        import orjson

        try:
            text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            text = b"null"
        if b"null" not in text:
            return cls(text)
        # It may be a float that is not finite, or nesting that is too deep for orjson.
        import json

        written = json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True, default=_refuse
        )
        return cls(written.encode())


def _refuse(item: Any) -> Any:
    raise TypeError("bytes that are not UTF-8" if isinstance(item, bytes) else "a function")


class Record:
    """A table of strings, numbers and booleans, and of tables of strings, that crosses faster than others of its size.

    Its texts are bytes, as Lua has them.
    """

    __slots__ = ("fields", "tables")

    def __init__(self, fields: dict[bytes, Any], tables: dict[bytes, dict[bytes, bytes]]) -> None:
        self.fields = fields
        self.tables = tables

    def parts(self) -> list[Any] | None:
        """Return what Lua puts together again; None when it is too large for that."""
        parts: list[Any] = [len(self.fields), *chain.from_iterable(self.fields.items())]
        for name, table in self.tables.items():
            parts += name, len(table), *chain.from_iterable(table.items())
        return parts if len(parts) < 2 * MAX_ATTACHMENTS else None

    def plain(self) -> dict[str, Any]:
        """The same as a dictionary."""
        table = {name.decode(): _plain(value) for name, value in self.fields.items()}
        for name, inner in self.tables.items():
            table[name.decode()] = {key.decode("utf-8", "replace"): text_or_bytes(text) for key, text in inner.items()}
        return table


def fields(parts: Sequence[Any]) -> dict[str, Any]:
    """The table that came as a count, so many keys and values, and then each inner table as its name and the same."""
    table: dict[str, Any] = {}
    stop = 1 + 2 * parts[0]
    for position in range(1, stop, 2):
        table[_plain(parts[position])] = _plain(parts[position + 1])
    while stop < len(parts):
        name, first = _plain(parts[stop]), stop + 2
        stop = first + 2 * parts[stop + 1]
        table[name] = {_plain(parts[at]): _plain(parts[at + 1]) for at in range(first, stop, 2)}
    return table


def _plain(value: Any) -> Any:
    return text_or_bytes(value) if isinstance(value, bytes) else value


def text_or_bytes(raw: bytes) -> str | bytes:
    """The text of a Lua string, or its bytes if it is not valid UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def decode(text: bytes, attachments: Sequence[bytes], function: Callable[[int], Any] | None = None) -> Value:
    """Read wire text; `function` makes the object for a Lua function's id."""
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
    """Write wire text and its side strings. Dataclasses become tables of their fields."""
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
        # orjson writes a float that is not finite as null.
        if text.count(b'"\\u0000') != len(attachments) or b"null" in text:
            attachments.clear()
            text = orjson.dumps(_protect(value), default, options)
    except orjson.JSONEncodeError as error:
        cause = error.__cause__
        problem = str(cause if isinstance(cause, WireError) else error)
        raise WireError("the value is nested too deeply" if "Recursion" in problem else problem) from None
    return text, attachments


def _protect(value: Any) -> Any:
    """Turn the strings that would read as a wire form into bytes, and floats that are not finite into wire forms."""
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
