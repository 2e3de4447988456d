"""What a declaration says, for people and for editors: a page of the reference, and LuaLS annotations."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator
from typing import Any

from assay.lua.declare import Function, Handle, Library, Parameter
from assay.lua.function import LuaFunction
from assay.lua.values import Name, Path, Seconds
from assay.permissions.needs import flags

_SECTION = re.compile(r"^(Args|Attributes):$", re.MULTILINE)
_ITEM = re.compile(r"^    (\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
_WORDS = {
    str: "string",
    bytes: "string",
    Path: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    LuaFunction: "function",
    Name: "string",
    Seconds: "number",
}
_LUA_KEYWORDS = frozenset({"do", "elseif", "end", "function", "goto", "local", "nil", "repeat", "then", "until"})
"""The words that Lua reserves and Python does not."""


class Doc:
    """A docstring: its text, and what it says about each argument or field."""

    def __init__(self, docstring: str | None) -> None:
        clean = inspect.cleandoc(docstring or "")
        section = _SECTION.search(clean)
        self.text = clean[: section.start()].strip() if section else clean
        items = _ITEM.findall(clean[section.end() :]) if section else []
        self.items = {name: " ".join(text.split()) for name, text in items}


class Types:
    """Names of types as Lua sees them; it remembers the tables and handles that were named."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.tables: dict[type, str] = {}

    def name(self, hint: Any) -> str:
        """Name a type in LuaLS's words."""
        if hint in _WORDS:
            return _WORDS[hint]
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            names = dict.fromkeys(self.name(member) for member in arguments if member is not types.NoneType)
            if "any" in names:
                return "any"
            if "number" in names:
                names.pop("integer", None)
            return "|".join(names)
        if origin is typing.Literal:
            return "|".join(f'"{choice}"' for choice in arguments)
        if origin is list:
            item = self.name(arguments[0])
            return f"({item})[]" if "|" in item else f"{item}[]"
        if origin is dict:
            return f"table<string, {self.name(arguments[1])}>"
        if hint in (list, dict):
            return "table"
        if dataclasses.is_dataclass(hint) and isinstance(hint, type) and not hasattr(hint, "lua_name"):
            return self._table(hint)
        return str(getattr(hint, "lua_name", "any"))

    def _table(self, cls: type) -> str:
        if cls not in self.tables:
            self.tables[cls] = f"{self._library.name}.{cls.__name__}"
            list(self.fields(cls))
        return self.tables[cls]

    def fields(self, cls: type) -> Iterator[tuple[str, str, str, str]]:
        """List the fields of a table: name (with "?" when it may be absent), type, default and description."""
        described: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            described |= Doc(base.__doc__).items
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            hint = hints[field.name]
            default = field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            optional = default is not dataclasses.MISSING or types.NoneType in typing.get_args(hint)
            shown = "" if default is dataclasses.MISSING else _lua(default)
            yield field.name + "?" * optional, self.name(hint), shown, described.get(field.name, "")

    def result(self, function: Function) -> str:
        """Name what a function returns; "" for nothing."""
        hint = function.result
        if hint in (None, types.NoneType, typing.NoReturn):
            return ""
        name = self.name(hint)
        return name + "?" * (types.NoneType in typing.get_args(hint) and name != "any")


def _lua(value: Any) -> str:
    """A default as Lua writes it; "" for one that is not worth showing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | bytes):
        text = value if isinstance(value, str) else value.decode()
        return f'"{text}"'
    if isinstance(value, int | float):
        return str(value)
    return "{}" if not value else ""


def _public(functions: list[Function]) -> list[Function]:
    return [function for function in functions if not function.name.startswith("_") or function.name == "__call__"]


def _arguments(function: Function) -> list[Parameter]:
    """The arguments between the parentheses."""
    return [parameter for parameter in function.parameters if parameter.name != "self"]


def _defaults(function: Function) -> dict[str, str]:
    parameters = inspect.signature(function.python).parameters.values()
    return {item.name: _lua(item.default) for item in parameters if item.default is not inspect.Parameter.empty}


# Markdown ----------------------------------------------------------------------------------------------------


def page(library: Library) -> str:
    """Write the page of a library, in Markdown."""
    names = Types(library)
    parts = [f"# {library.name}", Doc(library.doc).text]
    for function in filter(None, [library.entry, *_public(library.functions)]):
        parts += _function_part(function, names, "##")
    if library.constants:
        parts.append("## Constants")
        parts.append("\n".join(f"- `{library.name}.{name}`: {text}" for name, text in library.constants.items()))
    for handle in library.handles:
        parts += [f"## {handle.name}", Doc(handle.python.__doc__).text, *_table("field", _handle_fields(handle))]
        for method in _public(handle.methods):
            parts += _function_part(method, names, "###")
    for cls, name in _all_tables(names):
        parts += [f"## {name}", Doc(cls.__doc__).text, *_table("field", names.fields(cls))]
    return "\n\n".join(filter(None, parts)) + "\n"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One function: its name with its arguments, its docstring's text, and its part of the page with its tables."""

    title: str
    doc: str
    text: str


def entries(library: Library) -> Iterator[Entry]:
    """The functions and methods of a library, one by one."""
    handles = [method for handle in library.handles for method in _public(handle.methods)]
    for function in filter(None, [library.entry, *_public(library.functions), *handles]):
        names = Types(library)
        parts = _function_part(function, names, "##")
        for cls, name in _all_tables(names):
            parts += [f"### {name}", Doc(cls.__doc__).text, *_table("field", names.fields(cls))]
        title = parts[0].removeprefix("## `").partition("`")[0]
        yield Entry(title, Doc(function.doc).text, "\n\n".join(filter(None, parts)) + "\n")


def _all_tables(names: Types) -> Iterator[tuple[type, str]]:
    yield from sorted(names.tables.items(), key=lambda item: item[1])


def _handle_fields(handle: Handle) -> Iterator[tuple[str, str, str, str]]:
    doc = Doc(handle.python.__doc__)
    for name, cls in handle.fields.items():
        yield name, cls.lua_name, "", doc.items.get(name, "")  # type: ignore[attr-defined]


def _function_part(function: Function, names: Types, level: str) -> list[str]:
    doc, defaults = Doc(function.doc), _defaults(function)
    shown, rows = [], []
    for parameter in _arguments(function):
        if parameter.rest:
            shown.append("...")
            rows.append(("...", names.name(typing.get_args(parameter.hint)[0]), "", doc.items.get(parameter.name, "")))
            continue
        name = parameter.name + "?" * parameter.optional
        shown.append(name)
        default = defaults.get(parameter.name, "")
        rows.append((name, names.name(parameter.hint), default, doc.items.get(parameter.name, "")))
    result = names.result(function)
    notes = ["It waits: only the calling coroutine is suspended."] * function.waits
    if function.pure and function.owner is None:
        most = f", with at most {function.workflow_bytes // 1024} KiB" if function.workflow_bytes else ""
        notes.append(f"It can be called in a workflow{most}.")
    if function.needs:
        notes.append(f"In a sandbox it needs {' and '.join(f'`{flag}`' for flag in flags(function.needs))}.")
    called = "" if function.attribute else f"({', '.join(shown)})"
    return [
        f"{level} `{function.title}{called}`" + (f" → `{result}`" if result else ""),
        doc.text,
        *_table("argument", iter(rows)),
        " ".join(notes),
    ]


def _table(first: str, rows: Iterator[tuple[str, str, str, str]]) -> list[str]:
    cells = [[f"`{name}`", f"`{kind}`", f"`{default}`" if default else "", text] for name, kind, default, text in rows]
    head = [first, "type", "default", "meaning"]
    if not any(row[2] for row in cells):
        for row in [head, *cells]:
            del row[2]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    return ["\n".join([f"| {' | '.join(head)} |", "| --- " * len(head) + "|", *lines])] if lines else []


# LuaLS -------------------------------------------------------------------------------------------------------


def stub(library: Library, extends: bool = False) -> str:
    """Write the LuaLS annotations of a library. `extends`: its table is one of Lua's own."""
    return "\n\n".join(_stub_parts(library, library.name, extends)) + "\n"


def module_stub(library: Library) -> str:
    """Write the LuaLS annotations of a module for `require`, which are a file of its own."""
    table = library.name.rpartition(".")[2]
    return "\n\n".join([f"---@meta {library.name}", *_stub_parts(library, table, False), f"return {table}"]) + "\n"


def _stub_parts(library: Library, table: str, extends: bool) -> list[str]:
    names = Types(library)
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
    parts += [_function_stub(item, names, f"{table}.{item.name}") for item in _public(library.functions)]
    parts += [_handle_stub(handle, names, library.owner(handle)) for handle in library.handles]
    for cls, name in _all_tables(names):
        lines = [*_comment(Doc(cls.__doc__).text), f"---@class {name}"]
        lines += [f"---@field {field} {kind} {text}".rstrip() for field, kind, _, text in names.fields(cls)]
        parts.append("\n".join(lines))
    return list(filter(None, parts))


def _comment(text: str) -> list[str]:
    return [f"---{line}".rstrip() for line in text.splitlines()]


def _safe(parameter: Parameter) -> str:
    return parameter.name + "_" * (parameter.name in _LUA_KEYWORDS)


def _overload(function: Function, names: Types, owner: Handle | None = None, optional: str = "") -> str:
    shown = [f"self{optional}: {owner.name}"] if owner is not None else []
    shown += [
        f"...: {names.name(typing.get_args(item.hint)[0])}"
        if item.rest
        else f"{_safe(item)}{'?' * item.optional}: {names.name(item.hint)}"
        for item in _arguments(function)
    ]
    result = names.result(function)
    return f"fun({', '.join(shown)})" + (f": {result}" if result else "")


def _function_stub(function: Function, names: Types, target: str) -> str:
    doc = Doc(function.doc)
    lines, shown = _comment(doc.text), []
    for item in _arguments(function):
        text = doc.items.get(item.name, "")
        if item.rest:
            shown.append("...")
            lines.append(f"---@param ... {names.name(typing.get_args(item.hint)[0])} {text}".rstrip())
        else:
            shown.append(_safe(item))
            lines.append(f"---@param {_safe(item)}{'?' * item.optional} {names.name(item.hint)} {text}".rstrip())
    result = names.result(function)
    lines += [f"---@return {result}"] if result else []
    return "\n".join([*lines, f"function {target}({', '.join(shown)}) end"])


def _handle_stub(handle: Handle, names: Types, owner: Handle | None) -> str:
    local = handle.name.rpartition(".")[2].capitalize()
    head = [*_comment(Doc(handle.python.__doc__).text), f"---@class {handle.name}"]
    head += [f"---@field {name} {kind} {text}".rstrip() for name, kind, _, text in _handle_fields(handle)]
    parts = []
    for method in _public(handle.methods):
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
