"""Editor annotations of libraries, for the Lua language server (LuaLS)."""

from __future__ import annotations

import os
from typing import NoReturn

from assay.lua.arguments import Parameter
from assay.lua.declare import Function, Handle, Library
from assay.lua.reference import Doc, Types, all_tables, arguments, handle_fields, public

_PRELUDE = os.path.join(os.path.dirname(__file__), "annotations.lua")
_LUA_KEYWORDS = frozenset({"do", "elseif", "end", "function", "goto", "local", "nil", "repeat", "then", "until"})
"""Lua keywords that are valid parameter names in Python."""

_OUTCOME = ": Outcome"
_NOTHING = "nothing"
"""Types that `annotations.lua` defines."""


def prelude() -> str:
    """Return the annotations that do not belong to a library: error objects."""
    with open(_PRELUDE, encoding="utf-8") as file:
        return file.read()


def stub(library: Library, extends: bool = False) -> str:
    """Return the LuaLS annotations of a library. `extends`: it extends a standard library."""
    return "\n\n".join(_stub_parts(library, library.name, extends)) + "\n"


def module_stub(library: Library) -> str:
    """Return the LuaLS annotations of a module for `require`, as a separate file."""
    table = library.name.rpartition(".")[2]
    return "\n\n".join([f"---@meta {library.name}", *_stub_parts(library, table, False), f"return {table}"]) + "\n"


def _stub_parts(library: Library, table: str, extends: bool) -> list[str]:
    names = Types(library)
    results = _results(library, names)
    local = "local " * (table != library.name)
    parts = []
    if library.functions or library.constants:
        head = _comment(Doc(library.doc).text) + ([] if extends else [f"---@class {library.name}lib"])
        if library.entry is not None:
            head.append(f"---@overload {_overload(library.entry, names)}")
        head += [] if extends else [f"{local}{table} = {{}}"]
        parts.append("\n".join(head))
    elif library.entry is not None:
        parts.append(_function_stub(library.entry, names, library.name))
    for name, text in library.constants.items():
        parts.append("\n".join([*_comment(text), "---@type any", f"{table}.{name} = nil"]))
    parts += [_function_stub(item, names, f"{table}.{item.name}") for item in public(library.functions)]
    for handle in library.handles:
        parts.append(_handle_stub(handle, names, library.owner(handle), _OUTCOME * (handle.name in results)))
    names.note_callbacks()
    for cls, name in all_tables(names):
        lines = [*_comment(Doc(cls.__doc__).text), f"---@class {name}{_OUTCOME * (name in results)}"]
        lines += [f"---@field {field} {kind} {text}".rstrip() for field, kind, _, text in names.fields(cls)]
        parts.append("\n".join(lines))
    return list(filter(None, parts))


def _results(library: Library, names: Types) -> set[str]:
    """Return the types that functions of the library return."""
    methods = [method for handle in library.handles for method in public(handle.methods)]
    functions = filter(None, [library.entry, *public(library.functions), *methods])
    return {names.result(function).removesuffix("?") for function in functions if not function.attribute}


def _comment(text: str) -> list[str]:
    return [f"---{line}".rstrip() for line in text.splitlines()]


def _safe(parameter: Parameter) -> str:
    return parameter.name + "_" * (parameter.name in _LUA_KEYWORDS)


def _overload(function: Function, names: Types, owner: Handle | None = None, optional: str = "") -> str:
    shown = [f"self{optional}: {owner.name}"] if owner is not None else []
    shown += [
        f"{'...' if item.rest else _safe(item) + '?' * item.optional}: {names.parameter(function, item)}"
        for item in arguments(function)
    ]
    return f"fun({', '.join(shown)}): {names.result(function) or _NOTHING}"


def _function_stub(function: Function, names: Types, target: str) -> str:
    doc = Doc(function.doc)
    lines, shown = _comment(doc.text), []
    for item in arguments(function):
        text = doc.items.get(item.name, "")
        shown.append("..." if item.rest else _safe(item))
        optional = "?" * (item.optional and not item.rest)
        lines.append(f"---@param {shown[-1]}{optional} {names.parameter(function, item)} {text}".rstrip())
    if function.result is not NoReturn:
        lines.append(f"---@return {names.result(function) or _NOTHING}")
    return "\n".join([*lines, f"function {target}({', '.join(shown)}) end"])


def _handle_stub(handle: Handle, names: Types, owner: Handle | None, base: str) -> str:
    local = handle.name.rpartition(".")[2].capitalize()
    head = [*_comment(Doc(handle.python.__doc__).text), f"---@class {handle.name}{base}"]
    head += [f"---@field {name} {kind} {text}".rstrip() for name, kind, _, text in handle_fields(handle)]
    parts = []
    for method in public(handle.methods):
        if method.name == "__call__":
            head.append(f"---@overload {_overload(method, names, owner)}")
        elif method.attribute:
            head.append(f"---@field {method.name} {names.result(method)} {Doc(method.doc).text}")
        elif handle.is_bound:
            text = " ".join(Doc(method.doc).text.split())
            head.append(f"---@field {method.name} {_overload(method, names, handle, '?')} {text}")
        else:
            parts.append(_function_stub(method, names, f"{local}:{method.name}"))
    return "\n\n".join(["\n".join([*head, f"local {local} = {{}}"]), *parts])
