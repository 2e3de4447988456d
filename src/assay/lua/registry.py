"""The declarations that this process has imported: each is described once, for every state that loads it."""

from __future__ import annotations

from _thread import allocate_lock  # `threading` would be imported by every script for this alone
from typing import TYPE_CHECKING, Any

from assay.lua import values

if TYPE_CHECKING:
    from assay.lua.declare import Function, Handle, Library

functions: list[Function] = []
"""Every declared function; Lua calls them by their index."""

_functions: dict[str, Function] = {}
"""The functions of libraries, each by the name of its library, a colon and its own."""

_handles: dict[str, tuple[Library, Handle]] = {}
"""The classes of handles by their names, each with its library."""

_classes: dict[str, tuple[Any, ...]] = {}
"""The results of `describe_class`, by the name of the class."""

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
    """Return what a class of handles has beside methods, for `host/bind.lua`.

    Whether a call of a handle does something, the class whose handles' fields its own are, the methods that are fields.
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
    """The declaration of the method `class:name`; empty when there is none.

    Its index (None: it is native), its title, and the name, kind and optionality of each parameter. Methods are
    described one by one because a workflow's state, of which there are many, uses few of them.
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
    """The public methods of the handles of a class whose library was imported."""
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
    """Name a function; `describe_method` describes the rest when it is first called."""
    return {"name": function.name, "title": function.title, "lazy": not function.native}


def _declare(function: Function) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": function.name, "title": function.title}
    if not function.native:
        declared["index"] = len(functions)
        declared["parameters"] = [item for p in function.parameters for item in (p.name, p.kind, p.optional)]
        functions.append(function)
    return declared
