"""Search attributes: Lua values to typed ones and back.

The type comes from the value, so that a replay needs no server to know it: a string is a Keyword, an integer an Int, a
float a Double, a boolean a Bool, an array of strings a KeywordList. A table `{ type = …, value = … }` names any type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from temporalio.common import SearchAttributeKey, SearchAttributeUpdate, TypedSearchAttributes

from assay.errors import BuiltinError
from assay.lua.convert import lua_type
from assay.lua.values import MAX_INTEGER, MIN_INTEGER, Value
from assay.temporal import times


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: Value) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    fits = isinstance(value, int) and not isinstance(value, bool) and MIN_INTEGER <= value <= MAX_INTEGER
    return value if fits else None


def _number(value: Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        return None
    return float(value)


def _boolean(value: Value) -> bool | None:
    return value if isinstance(value, bool) else None


def _strings(value: Value) -> list[str] | None:
    if value == {}:
        return []
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None


_TYPES: dict[str, tuple[Callable[[str], SearchAttributeKey[Any]], Callable[[Value], Any], str]] = {
    "keyword": (SearchAttributeKey.for_keyword, _text, "string"),
    "text": (SearchAttributeKey.for_text, _text, "string"),
    "int": (SearchAttributeKey.for_int, _integer, "integer"),
    "double": (SearchAttributeKey.for_float, _number, "finite number"),
    "bool": (SearchAttributeKey.for_bool, _boolean, "boolean"),
    "keyword_list": (SearchAttributeKey.for_keyword_list, _strings, "array of strings"),
    "datetime": (SearchAttributeKey.for_datetime, times.read, times.EXPECTED),
}


def _type_of(name: str, value: Value) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "keyword"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "double"
    if isinstance(value, list) or value == {}:
        return "keyword_list"
    got = lua_type(value)
    raise BuiltinError(
        f"bad search attribute '{name}' (string, number, boolean, array of strings or {{type=, value=}} expected, "
        f"got {got})"
    )


def update(name: str, value: Value, registered: str | None = None) -> SearchAttributeUpdate[Any]:
    """What sets one attribute, of its `registered` type where that is known; None unsets it. Raises BuiltinError."""
    if value is None:
        return SearchAttributeKey.for_keyword(name).value_unset()
    if isinstance(value, dict) and set(value) == {"type", "value"}:
        kind, value = value["type"], value["value"]
        if kind not in _TYPES:
            raise BuiltinError(f"bad search attribute '{name}' (its type must be one of {', '.join(_TYPES)})")
    else:
        kind = registered or _type_of(name, value)
    key, read, expected = _TYPES[kind]
    found = read(value)
    if found is None:
        got = str(value) if lua_type(value) == "number" else lua_type(value)
        if kind == "datetime" and isinstance(value, str):
            got = f'"{value}"'
        raise BuiltinError(f"bad search attribute '{name}' ({expected} expected, got {got})")
    return key(name).value_set(found)


def updates(values: Mapping[str, Value]) -> list[SearchAttributeUpdate[Any]]:
    """What sets and unsets a table of attributes. Raises BuiltinError."""
    return [update(name, value) for name, value in values.items()]


def as_table(attributes: TypedSearchAttributes) -> dict[str, Value]:
    """The Lua table of attributes."""
    return {pair.key.name: as_value(pair.value) for pair in attributes}


def as_value(value: Any) -> Value:
    """The Lua value of one attribute; a time is seconds since 1970-01-01 UTC."""
    if isinstance(value, datetime):
        return value.timestamp()
    return list(value) if isinstance(value, list | tuple) else value
