"""The values of a template: what it sees of Python's own types is kept to what Jinja2 has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from assay.errors import BuiltinError

_MAX_CARRIED = 100


class Method:
    """A method of a table: it can be called, and is as good as undefined otherwise."""

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
    """Make a value one of a template. Raises BuiltinError for bytes that are not text."""
    if isinstance(value, dict):
        return Table({key: wrap(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return Array(map(wrap, value))
    if isinstance(value, bytes):
        raise BuiltinError("bad argument 'vars' (a string that is not UTF-8 text cannot be rendered)")
    return value


def show(value: Any) -> str:
    """Write a table or an array as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


def finalize(state: Any, value: Any) -> Any:
    """Print booleans, null and collections in the words of Lua and JSON, not in Python's."""
    if state.auto_escape == "json":
        return NotImplemented
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, Method):
        return ""
    return show(value) if isinstance(value, dict | list | tuple) else NotImplemented


def carry(value: Any, text: str) -> Any:
    """Copy what is assigned to an attribute of a namespace, so that it cannot hold itself.

    The engine's way to Python makes integers of floats without a fraction; `text`, its JSON, has them as they are.
    """
    return wrap(_copy(value, json.loads(text), 0))


def _copy(value: Any, written: Any, depth: int) -> Any:
    if depth > _MAX_CARRIED:
        raise BuiltinError(f"an attribute of a namespace holds a value of more than {_MAX_CARRIED} levels")
    if isinstance(value, dict) and isinstance(written, dict):
        return {key: _copy(item, written.get(str(key)), depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and isinstance(written, list):
        return [_copy(*pair, depth + 1) for pair in zip(value, written, strict=True)]
    return written if type(value) is int and isinstance(written, float) else value
