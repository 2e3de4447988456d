"""Values of a template, whose Python types expose only the attributes and methods that Jinja2 defines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from assay.errors import BuiltinError

_MAX_COPY_DEPTH = 100


class Method:
    """A method of a table, which can be called and behaves like an undefined value otherwise."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class Table(dict[str, Any]):
    """A Lua table with named keys."""

    _METHODS = frozenset({"get", "items", "keys", "values"})

    def __getattribute__(self, name: str) -> Any:
        if name in Table._METHODS:
            return Method(super().__getattribute__(name))
        if name.startswith("_"):
            return super().__getattribute__(name)
        raise AttributeError(name=name)

    def __str__(self) -> str:
        return show(self)

    __repr__ = __str__


class Array(tuple[Any, ...]):
    """A Lua array."""

    __slots__ = ()

    def __str__(self) -> str:
        return show(self)

    __repr__ = __str__


def wrap(value: Any) -> Any:
    """Convert a Lua value to a value of a template. Raises BuiltinError for invalid UTF-8."""
    if isinstance(value, dict):
        return Table({key: wrap(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return Array(map(wrap, value))
    if isinstance(value, bytes):
        raise BuiltinError("bad argument 'vars' (valid UTF-8 expected)")
    return value


def show(value: Any) -> str:
    """Return a table or an array as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


def finalize(state: Any, value: Any) -> Any:
    """Format booleans, null and collections for output as Lua and JSON do, not as Python does."""
    if state.auto_escape == "json":
        return NotImplemented
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, Method):
        return ""
    return show(value) if isinstance(value, dict | list | tuple) else NotImplemented


def copy_for_attribute(value: Any, text: str) -> Any:
    """Copy a value that is assigned to an attribute of a namespace, so that it cannot contain itself.

    Args:
        value: The value, in which minijinja's conversion to Python has turned integral floats into integers.
        text: The value as JSON, which preserves floats.
    """
    return wrap(_copy(value, json.loads(text), 0))


def _copy(value: Any, from_json: Any, depth: int) -> Any:
    if depth > _MAX_COPY_DEPTH:
        raise BuiltinError(f"the value of a namespace attribute has more than {_MAX_COPY_DEPTH} levels")
    if isinstance(value, dict) and isinstance(from_json, dict):
        return {key: _copy(item, from_json.get(str(key)), depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and isinstance(from_json, list):
        return [_copy(*pair, depth + 1) for pair in zip(value, from_json, strict=True)]
    return from_json if type(value) is int and isinstance(from_json, float) else value
