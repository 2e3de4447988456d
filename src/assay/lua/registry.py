"""Registry of the imported libraries and their descriptions for Lua, which all states of the process share."""

from __future__ import annotations

from _thread import allocate_lock  # importing `threading` for a lock alone would slow down every script
from typing import TYPE_CHECKING, Any

from assay.lua import values

if TYPE_CHECKING:
    from assay.lua.declare import Function, Handle, Library

functions: list[Function] = []
"""Described functions and methods; Lua calls them by index."""

_functions: dict[str, Function] = {}
"""Functions of libraries, as `library:function`."""

_handles: dict[str, tuple[Library, Handle]] = {}
"""Classes of handles by name, each with its library."""

_classes: dict[str, tuple[Any, ...]] = {}
"""Results of `describe_class` by class."""

_descriptions: dict[str, bytes] = {}
_described_methods: dict[str, tuple[Any, ...]] = {}
_lock = allocate_lock()


def describe(module: str) -> bytes:
    """Import the library in `module`; returns its declaration as wire text for `host/sandbox.lua`."""
    text = _descriptions.get(module)
    if text is None:
        import importlib

        library: Library = importlib.import_module(module).library
        with _lock:
            text = _descriptions.get(module)
            if text is None:
                text = _descriptions[module] = values.encode(_describe(library))[0]
    return text


def describe_class(name: str) -> tuple[Any, ...]:
    """Describe a class of handles for `host/bind.lua`.

    Returns whether its handles are callable, the class that has them as fields (or None), and the names of the methods
    that are fields.
    """
    described = _classes.get(name)
    if described is None:
        library, handle = _handles[name]
        owner = library.owner(handle)
        fields = [method.name.encode() for method in handle.methods if method.attribute]
        described = handle.method("__call__") is not None, owner and owner.name.encode(), *fields
        _classes[name] = described
    return described


def describe_method(name: str) -> tuple[Any, ...]:
    """Describe the method `class:name`; returns an empty tuple if there is none.

    A description is the index (None for a native method), the title, and the name, kind and optionality of each
    parameter. Methods are described one by one because a workflow uses few of them.
    """
    described = _described_methods.get(name)
    if described is None:
        method = _find(name)
        if method is None:
            return ()
        with _lock:
            described = _described_methods.get(name)
            if described is None:
                declared = _declare(method)
                encoded = (item.encode() if isinstance(item, str) else item for item in declared.get("parameters", ()))
                described = declared.get("index"), method.title.encode(), *encoded
                _described_methods[name] = described
    return described


def _find(name: str) -> Function | None:
    owner, _, method = name.partition(":")
    if owner in _handles:
        return _handles[owner][1].method(method)
    return _functions.get(name)


def method_names(name: str) -> list[str]:
    """Return the public methods of a class of handles; empty if its library has not been imported."""
    if name not in _handles:
        return []
    return sorted(method.name for method in _handles[name][1].methods if not method.name.startswith("_"))


def _describe(library: Library) -> dict[str, Any]:
    declared = [
        _declare(function) if function.types is None else _declare_lazily(function) for function in library.functions
    ]
    if library.entry is not None:
        declared.append(_declare(library.entry) | {"call": True})
    _functions.update((f"{library.name}:{function.name}", function) for function in library.functions)
    _handles.update((handle.name, (library, handle)) for handle in library.handles)
    described: dict[str, Any] = {"functions": declared}
    if library.lua is not None:
        with open(library.lua, encoding="utf-8") as file:
            described["lua"] = file.read()
    return described


def _declare_lazily(function: Function) -> dict[str, Any]:
    """Declare a function by name only; its first call gets the rest from `describe_method`."""
    return {"name": function.name, "title": function.title, "lazy": not function.native}


def _declare(function: Function) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": function.name, "title": function.title}
    if not function.native:
        declared["index"] = len(functions)
        declared["parameters"] = [item for p in function.parameters for item in (p.name, p.kind, p.optional)]
        functions.append(function)
    return declared
