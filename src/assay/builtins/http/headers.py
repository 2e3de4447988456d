"""Conversion of headers and query parameters between Lua tables and HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from multidict import CIMultiDict

from assay.builtins.http.options import HeaderValue, Scalar
from assay.errors import BuiltinError

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

RawHeaders = Iterable[tuple[bytes, bytes]]
"""Headers as received."""


def is_token(text: str) -> bool:
    """Return true if HTTP allows `text` as a method or a header's name."""
    return _TOKEN.fullmatch(text) is not None


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def pairs(table: Mapping[str, Scalar | list[Scalar]] | Mapping[str, HeaderValue]) -> Iterable[tuple[str, str]]:
    """Yield (name, text) pairs from a table whose values are scalars or arrays."""
    for name, value in table.items():
        for item in value if isinstance(value, list) else [value]:
            yield name, _text(item)


def validated(table: Mapping[str, HeaderValue] | None) -> list[tuple[str, str]]:
    """Return the headers of a Lua table as pairs. Raises BuiltinError for an invalid name or value."""
    headers = list(pairs(table or {}))
    for name, value in headers:
        if not is_token(name):
            raise BuiltinError(f"bad header name {name!r}")
        if _UNSAFE.search(value):
            raise BuiltinError(f"bad header '{name}' (its value contains a control character)")
    return headers


def to_multidict(table: Mapping[str, HeaderValue] | None) -> CIMultiDict[str]:
    """Return the headers of a Lua table for aiohttp. Raises BuiltinError for an invalid name or value."""
    return CIMultiDict(validated(table))


def joined(headers: RawHeaders) -> dict[bytes, bytes]:
    """Return lower-case header name → value; several headers with one name are joined."""
    table: dict[bytes, bytes] = {}
    for raw_name, value in headers:
        name = raw_name.lower()
        if name in table:
            value = table[name] + (b"; " if name == b"cookie" else b", ") + value
        table[name] = value
    return table


def parameters(query: str) -> dict[bytes, bytes]:
    """Return the decoded parameters of a query string; the last one with a name wins."""
    if not query:
        return {}
    pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    return {name.encode("utf-8", "surrogateescape"): value.encode("utf-8", "surrogateescape") for name, value in pairs}
