"""Conversion of Lua values by Python type annotations: checks, converters, and type names in messages."""

from __future__ import annotations

import dataclasses
import functools
import operator
import types
import typing
from collections.abc import Callable
from typing import Any

from assay.errors import BuiltinError
from assay.lua.function import LuaFunction
from assay.lua.values import Json, Name, Path, Seconds

Converter = Callable[[Any, str], Any]
"""Converts a plain value. Raises BuiltinError, whose message names the value by the string ("option 'timeout'")."""

MAX_SECONDS = 315_576_000_000
"""Ten thousand years, the maximum of a protobuf duration."""


def lua_type(value: Any) -> str:
    """Return the Lua type of a plain value."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str | bytes):
        return "string"
    if isinstance(value, LuaFunction):
        return "function"
    return "table"


def is_union(hint: Any) -> bool:
    """Return true if a type is a union."""
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def without_none(hint: Any) -> tuple[Any, bool]:
    """Return a type without `None`, and whether it contained `None`."""
    if not is_union(hint):
        return hint, False
    members = [member for member in typing.get_args(hint) if member is not type(None)]
    optional = len(members) < len(typing.get_args(hint))
    return functools.reduce(operator.or_, members), optional


def kind_of(hint: Any) -> str:
    """Return the name of a type in messages, in the reference and in `host/bind.lua`."""
    simple = {
        str: "string",
        bytes: "string",
        Path: "string",
        int: "integer",
        float: "number",
        Name: "string",
        Seconds: "number",
        bool: "boolean",
        LuaFunction: "function",
        Json: "json",
        Any: "any",
    }
    if hint in simple:
        return simple[hint]
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return "string"
    if origin is list and hasattr(typing.get_args(hint)[0], "lua_name"):
        return f"{typing.get_args(hint)[0].lua_name}[]"
    if origin in (dict, list) or hint in (dict, list):
        return "table"
    if is_union(hint):
        kinds = {kind_of(member) for member in typing.get_args(hint)}
        if kinds == {"integer", "number"}:
            return "number"
        if kinds == {"string", "json"}:
            return "body"
        return "text" if kinds <= {"string", "table", "options"} else "any"
    if dataclasses.is_dataclass(hint):
        return "options"
    name = getattr(hint, "lua_name", None)
    if name is None:
        raise TypeError(f"no Lua type for {hint!r}")
    return str(name)


def _mismatch(where: str, expected: str, value: Any) -> BuiltinError:
    return BuiltinError(f"bad {where} ({expected} expected, got {lua_type(value)})")


def _string(value: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        raise BuiltinError(f"bad {where} (expected a UTF-8 string, got invalid UTF-8)")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise _mismatch(where, "string", value)


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str | bytes):
        raise _mismatch(where, "string", value)
    if not value:
        raise BuiltinError(f"bad {where} (expected a non-empty string)")
    return _string(value, where)


def _bytes(value: Any, where: str) -> bytes:
    if isinstance(value, bytes):
        return value
    return _string(value, where).encode()


def _path(value: Any, where: str) -> bytes:
    path = _bytes(value, where)
    if b"\0" in path:
        raise BuiltinError(f"bad {where} (paths must not contain NUL bytes)")
    return path


def _integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(where, "integer", value)
    if isinstance(value, float) and not (value.is_integer() and -(2**63) <= value < 2**63):
        raise BuiltinError(f"bad {where} (integer expected, got {value!r})")
    return int(value)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(where, "number", value)
    return value


def _seconds(value: Any, where: str) -> float:
    if not 0 <= _number(value, where) <= MAX_SECONDS:
        raise BuiltinError(f"bad {where} (non-negative number of seconds expected, got {value:g})")
    return float(value)


def _boolean(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _mismatch(where, "boolean", value)
    return value


def _function(value: Any, where: str) -> LuaFunction:
    if not isinstance(value, LuaFunction):
        raise _mismatch(where, "function", value)
    return value


def _any(value: Any, where: str) -> Any:
    if isinstance(value, LuaFunction):
        raise BuiltinError(f"bad {where} (functions cannot be serialized)")
    if isinstance(value, dict):
        for key, item in value.items():
            _any(item, f"{where}, field '{key}'")
    elif isinstance(value, list):
        for index, item in enumerate(value, 1):
            _any(item, f"{where}, item {index}")
    return value


def _json(value: Any, where: str) -> Json:
    try:
        return Json.of(value)
    except (ValueError, RecursionError) as error:
        raise BuiltinError(f"bad {where} (not JSON-serializable: {error})") from None


def _nested(where: str, key: object) -> str:
    """Name a nested value: "option 'a'" and "b" give "option 'a.b'"."""
    return f"{where[:-1]}.{key}'" if where.endswith("'") else f"{where}.{key}"


def _describe_non_array(value: Any, takes_null: bool) -> str:
    """Describe a value that is not an array: its type, or why the table is not an array."""
    if not isinstance(value, dict):
        return lua_type(value)
    for key in value:
        if not (key.isascii() and key.isdigit() and key[0] != "0"):
            return f"a table with the key '{key}'"
    hole = next(index for index in range(1, len(value) + 1) if str(index) not in value)
    return f"a table without item {hole}" + ": use json.null instead of nil" * takes_null


def _list(item: Converter, *, takes_null: bool = False) -> Converter:
    def convert(value: Any, where: str) -> list[Any]:
        if value == {}:
            return []
        if not isinstance(value, list):
            raise BuiltinError(f"bad {where} (array expected, got {_describe_non_array(value, takes_null)})")
        return [item(entry, _nested(where, index)) for index, entry in enumerate(value, 1)]

    return convert


def _dict(item: Converter) -> Converter:
    def convert(value: Any, where: str) -> dict[str, Any]:
        if isinstance(value, list):
            value = {str(index): entry for index, entry in enumerate(value, 1)}
        if not isinstance(value, dict):
            raise _mismatch(where, "table", value)
        return {key: item(entry, _nested(where, key)) for key, entry in value.items()}

    return convert


def _literal(choices: tuple[str, ...]) -> Converter:
    expected = ", ".join(f'"{choice}"' for choice in choices)

    def convert(value: Any, where: str) -> str:
        if value not in choices:
            got = f'"{value}"' if isinstance(value, str) else lua_type(value)
            raise BuiltinError(f"bad {where} (one of {expected} expected, got {got})")
        return str(value)

    return convert


def _union(members: tuple[Any, ...]) -> Converter:
    converters = [(kind_of(member), converter(member)) for member in members]
    names = {"options": "table", "integer": "number", "json": "table"}
    expected = " or ".join(dict.fromkeys(names.get(kind, kind) for kind, _ in converters))

    def convert(value: Any, where: str) -> Any:
        kind = lua_type(value)
        for name, inner in converters:
            if names.get(name, name) == kind:
                return inner(value, where)
        raise _mismatch(where, expected, value)

    return convert


def options(cls: type) -> Converter:
    """Return the converter of an option table: a dataclass whose fields are the options."""
    hints = typing.get_type_hints(cls)
    fields = {field.name: converter(hints[field.name]) for field in dataclasses.fields(cls)}
    required = [
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]

    def convert(value: Any, where: str) -> Any:
        if isinstance(value, list) and value:
            raise BuiltinError(f"bad {where} (table of named options expected, got an array)")
        if not isinstance(value, dict | list):
            raise _mismatch(where, "table", value)
        prefix = where.split("'")[1] + "." if where.startswith("option") else ""
        values = {}
        for key, item in dict(value).items():
            inner = fields.get(key)
            if inner is None:
                raise BuiltinError(f"unknown option '{prefix}{key}'{suggest(key, fields)}")
            values[key] = inner(item, f"option '{prefix}{key}'")
        for name in required:
            if name not in values:
                raise BuiltinError(f"missing option '{prefix}{name}'")
        return cls(**values)

    return convert


def suggest(key: str, known: typing.Iterable[str]) -> str:
    """Return a hint that follows an unknown name in a message: the closest known name, or all known names."""
    import difflib

    close = difflib.get_close_matches(key, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else f" (known: {', '.join(sorted(known))})"


@functools.cache
def converter(hint: Any) -> Converter:
    """Return the converter for a type."""
    hint, optional = without_none(hint)
    inner = _converter(hint)
    if not optional:
        return inner
    return lambda value, where: None if value is None else inner(value, where)


def _converter(hint: Any) -> Converter:
    simple: dict[Any, Converter] = {
        str: _string,
        bytes: _bytes,
        Path: _path,
        int: _integer,
        float: _number,
        Name: _name,
        Seconds: _seconds,
        bool: _boolean,
        LuaFunction: _function,
        Json: _json,
        Any: _any,
        list: _list(_any, takes_null=True),
        dict: _dict(_any),
    }
    if hint in simple:
        return simple[hint]
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is list:
        return _list(converter(arguments[0]), takes_null=arguments[0] in (Any, Json))
    if origin is dict:
        return _dict(converter(arguments[1]))
    if origin is typing.Literal:
        return _literal(arguments)
    if is_union(hint):
        return _union(arguments)
    if dataclasses.is_dataclass(hint):
        return options(typing.cast(type, hint))
    raise TypeError(f"no Lua type for {hint!r}")
