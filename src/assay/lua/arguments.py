"""Arguments on their way from Lua: what crosses (see `host/bind.lua`) becomes what a builtin takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from assay.lua import values
from assay.lua.function import LuaFunction
from assay.lua.values import Json

if TYPE_CHECKING:
    from assay.lua.declare import Parameter
    from assay.lua.host import Host

Sides = tuple[bytes, ...]
Reader = Callable[["Host", Any, Sides], Any]
"""Makes an argument of what crossed, with the call's side strings; raises BuiltinError for one that does not fit."""


def reader(parameter: Parameter) -> Reader | None:
    """How to read an argument that is not nil; None when what crosses is the argument."""
    kind = parameter.kind
    if hasattr(parameter.hint, "lua_name"):
        return lambda host, raw, sides: host.object(raw)
    if kind.endswith("[]"):
        return lambda host, raw, sides: [host.object(int(identity)) for identity in raw.split()]
    if kind in ("integer", "number", "boolean") or parameter.hint is bytes:
        return None
    simple: dict[str, Reader] = {
        "json": lambda host, raw, sides: Json(raw),
        "body": lambda host, raw, sides: raw[1:] if raw[:1] == b"=" else Json(raw),
        "function": lambda host, raw, sides: LuaFunction(host, raw),
    }
    if kind in simple:
        return simple[kind]
    where = f"argument '{parameter.name}'"
    if kind == "string":
        return lambda host, raw, sides: parameter.convert(values.text_or_bytes(raw), where)
    return lambda host, raw, sides: parameter.convert(_value(host, raw, sides), where)


def _value(host: Host, raw: Any, sides: Sides) -> Any:
    if not isinstance(raw, bytes):
        return raw
    if raw[:1] == b"=":
        return values.text_or_bytes(raw[1:])
    first, _, text = raw.partition(b":")
    return values.decode(text, sides[int(first) :], lambda identity: LuaFunction(host, identity))
