"""Conversion of the arguments of a builtin, from the form that `host/bind.lua` passes to Python values."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from assay.lua import convert, values
from assay.lua.function import LuaFunction, TaskHost
from assay.lua.values import Json

Attachments = tuple[bytes, ...]
Reader = Callable[[TaskHost, Any, Attachments], Any]
"""Converts a raw argument, given the attachments of the call. Raises BuiltinError for an invalid one."""


class Parameter:
    """A parameter of a Lua function: name, type, and whether it is optional."""

    def __init__(self, name: str, hint: Any, optional: bool, rest: bool, default: Any = None) -> None:
        self.name = name
        self.default = default
        self.hint = hint
        self.optional = optional
        self.rest = rest
        self.kind = "rest" if rest else convert.kind_of(hint)
        self.read = _reader(self)
        """Conversion of an argument that is not nil; None if the raw value is used as is."""

    @cached_property
    def convert(self) -> Callable[[Any, str], Any]:
        """The converter for its type."""
        return convert.converter(self.hint)


def is_host(hint: Any) -> bool:
    """Return true if a parameter of this type receives the host."""
    return isinstance(hint, type) and issubclass(hint, TaskHost)


def _reader(parameter: Parameter) -> Reader | None:
    kind = parameter.kind
    if hasattr(parameter.hint, "lua_name"):
        return lambda host, raw, attachments: host.object(raw)
    if kind.endswith("[]"):
        return lambda host, raw, attachments: [host.object(int(identity)) for identity in raw.split()]
    if kind in ("integer", "number", "boolean") or parameter.hint is bytes:
        return None
    simple: dict[str, Reader] = {
        "json": lambda host, raw, attachments: Json(raw),
        "body": lambda host, raw, attachments: raw[1:] if raw[:1] == b"=" else Json(raw),
        "function": lambda host, raw, attachments: LuaFunction(host, raw),
    }
    if kind in simple:
        return simple[kind]
    where = f"argument '{parameter.name}'"
    if kind == "string":
        return lambda host, raw, attachments: parameter.convert(values.text_or_bytes(raw), where)
    return lambda host, raw, attachments: parameter.convert(_value(host, raw, attachments), where)


def _value(host: TaskHost, raw: Any, attachments: Attachments) -> Any:
    if not isinstance(raw, bytes):
        return raw
    if raw[:1] == b"=":
        return values.text_or_bytes(raw[1:])
    first, _, text = raw.partition(b":")
    return values.decode(text, attachments[int(first) :], lambda identity: LuaFunction(host, identity))
