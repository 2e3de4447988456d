"""The declarations that this process has imported: each is described once, for every state that loads it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from assay.lua import values

if TYPE_CHECKING:
    from assay.lua.declare import Function, Library

functions: list[Function] = []
"""Every declared function; Lua calls them by their index."""

_methods: dict[str, Function] = {}
"""The methods of handles, each by the name of its class, a colon and its own."""

_descriptions: dict[str, bytes] = {}
_lock = threading.Lock()


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


def describe_method(name: str) -> bytes:
    """The declaration of the method `class:name`, as wire text; empty when there is none.

    Methods are described one by one because a workflow's state, of which there are many, uses few of them.
    """
    text = _descriptions.get(name)
    if text is None:
        method = _methods.get(name)
        if method is None:
            return b""
        with _lock:
            text = _descriptions.get(name)
            if text is None:
                text = _descriptions[name] = values.encode(_declare(method))[0]
    return text


def method_names(name: str) -> list[str]:
    """The public methods of the handles of a class whose library was imported."""
    found = (key.partition(":") for key in _methods)
    return sorted(method for owner, _, method in found if owner == name and not method.startswith("_"))


def _describe(library: Library) -> dict[str, Any]:
    declared = [_declare(function) for function in library.functions]
    if library.entry is not None:
        declared.append(_declare(library.entry) | {"call": True})
    classes = []
    for handle in library.handles:
        names = [method.name for method in handle.methods]
        _methods.update((f"{handle.name}:{method.name}", method) for method in handle.methods)
        owner = library.owner(handle)
        fields = [method.name for method in handle.methods if method.attribute]
        described_class = {"name": handle.name, "callable": "__call__" in names, "owner": owner and owner.name}
        classes.append(described_class | ({"fields": fields} if fields else {}))
    described: dict[str, Any] = {"functions": declared, "classes": classes}
    if library.lua is not None:
        with open(library.lua, encoding="utf-8") as file:
            described["lua"] = file.read()
    return described


def _declare(function: Function) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": function.name, "title": function.title}
    if not function.native:
        declared["index"] = len(functions)
        declared["parameters"] = [[p.name, p.kind, p.optional] for p in function.parameters]
        functions.append(function)
    return declared
