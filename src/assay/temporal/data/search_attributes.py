"""Conversion between Lua values and typed search attributes.

The type is derived from the value, so that a replay does not depend on the server: a string is a Keyword, an integer an
Int, a float a Double, a boolean a Bool, an array of strings a KeywordList. A table `{ type = …, value = … }` sets the
type explicitly.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.common import (
    SearchAttributeIndexedValueType,
    SearchAttributeKey,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

from assay.errors import BuiltinError
from assay.lua.convert import lua_type
from assay.lua.values import MAX_INTEGER, MIN_INTEGER, Value
from assay.temporal.data import payloads, times


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


_NAMES: Mapping[SearchAttributeIndexedValueType, str] = MappingProxyType(
    {kind: kind.name.title().replace("_", "") for kind in SearchAttributeIndexedValueType}
)
"""Names of the types in the metadata of payloads, such as "KeywordList"."""

_PYTHON: Mapping[str, type] = MappingProxyType(
    {"Text": str, "Keyword": str, "Int": int, "Double": float, "Bool": bool, "Datetime": datetime, "KeywordList": list}
)


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
    """Return the update that sets an attribute, or unsets it if the value is None. Raises BuiltinError.

    `registered` is the attribute's type on the server, if it is known.
    """
    if value is None:
        return SearchAttributeKey.for_keyword(name).value_unset()
    if isinstance(value, dict) and set(value) == {"type", "value"}:
        kind, value = value["type"], value["value"]
        if kind not in _TYPES:
            raise BuiltinError(f"bad search attribute '{name}' (its type must be one of {', '.join(_TYPES)})")
    else:
        kind = registered or _type_of(name, value)
    key, read, expected = _TYPES[kind]
    converted = read(value)
    if converted is None:
        got = str(value) if lua_type(value) == "number" else lua_type(value)
        if kind == "datetime" and isinstance(value, str):
            got = f'"{value}"'
        raise BuiltinError(f"bad search attribute '{name}' ({expected} expected, got {got})")
    return key(name).value_set(converted)


def updates(values: Mapping[str, Value]) -> list[SearchAttributeUpdate[Any]]:
    """Return the updates for a table of attributes. Raises BuiltinError."""
    return [update(name, value) for name, value in values.items()]


def to_payload(change: SearchAttributeUpdate[Any]) -> Payload:
    """Return the payload that sets or unsets an attribute, byte for byte as the SDK encodes it."""
    value = change.value
    if value is None:
        return payloads.to_payload(None)
    if isinstance(value, datetime):
        value = value.isoformat()
    payload = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value, separators=(",", ":")).encode())
    payload.metadata["type"] = _NAMES[change.key.indexed_value_type].encode()
    return payload


def from_payloads(message: SearchAttributes) -> dict[str, Value]:
    """Return the Lua table of the attributes of a run's start event, without those of missing or unknown types."""
    values = {name: _from_payload(payload) for name, payload in message.indexed_fields.items()}
    return {name: as_value(value) for name, value in values.items() if value is not None}


def _from_payload(payload: Payload) -> Any:
    kind = payload.metadata.get("type", b"").decode()
    if kind.startswith("INDEXED_VALUE_TYPE_"):  # some servers write the names of the API's enumeration
        kind = kind.removeprefix("INDEXED_VALUE_TYPE_").title().replace("_", "")
    wanted = _PYTHON.get(kind)
    content = payloads.from_payload(payload)
    if wanted is None or content is None or content.raw is not None:
        return None
    value = payloads.to_python(content)
    if isinstance(value, list) and wanted is not list:
        value = value[0] if len(value) == 1 else None
    if wanted is datetime and isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif wanted is float and type(value) is int:
        value = float(value)  # the server writes whole numbers without a fraction
    return value if isinstance(value, wanted) else None


def as_table(attributes: TypedSearchAttributes) -> dict[str, Value]:
    """Return attributes as a Lua table."""
    return {pair.key.name: as_value(pair.value) for pair in attributes}


def as_value(value: Any) -> Value:
    """Return an attribute as a Lua value; a time becomes seconds since 1970-01-01 UTC."""
    if isinstance(value, datetime):
        return value.timestamp()
    return list(value) if isinstance(value, list | tuple) else value
