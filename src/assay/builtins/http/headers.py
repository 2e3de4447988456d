"""Headers, parameters and their text: between Lua tables and what HTTP carries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from multidict import CIMultiDict, MultiMapping

from assay.builtins.http.options import HeaderValue, Scalar
from assay.errors import BuiltinError
from assay.lua.values import text_or_bytes

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE = re.compile(r"[\0\r\n]")


def is_token(text: str) -> bool:
    """Whether HTTP allows `text` as a method or a header's name."""
    return _TOKEN.fullmatch(text) is not None


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def pairs(table: Mapping[str, Scalar | list[Scalar]] | Mapping[str, HeaderValue]) -> Iterable[tuple[str, str]]:
    """The (name, text) pairs of a table whose values are scalars or arrays."""
    for name, value in table.items():
        for item in value if isinstance(value, list) else [value]:
            yield name, _text(item)


def to_send(table: Mapping[str, HeaderValue] | None) -> CIMultiDict[str]:
    """The headers that a Lua table means; raises BuiltinError for one that HTTP cannot carry."""
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in pairs(table or {}):
        if not is_token(name):
            raise BuiltinError(f"bad header name {name!r}")
        if _UNSAFE.search(value):
            raise BuiltinError(f"bad header '{name}' (a line break or NUL in its value)")
        headers.add(name, value)
    return headers


def joined(headers: MultiMapping[str]) -> dict[str, str]:
    """Lower-case header name → value; several values of a name in one."""
    table: dict[str, str] = {}
    for given, value in headers.items():
        name = given.lower()
        if name in table:
            value = f"{table[name]}{'; ' if name == 'cookie' else ', '}{value}"
        table[name] = value
    return table


def lua_text(text: str) -> str | bytes:
    """Text that was decoded with surrogate escapes, as Lua gets it: the bytes that came in."""
    return text if text.isascii() else text_or_bytes(text.encode("utf-8", "surrogateescape"))


def parameters(query: str) -> dict[str, str]:
    """The decoded parameters of a query string; the last of several with one name counts."""
    if not query:
        return {}
    return dict(parse_qsl(query, keep_blank_values=True, errors="surrogateescape"))
