"""Reference pages of libraries, in Markdown. `annotations.py` generates annotations for editors."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from assay.lua.arguments import Parameter
from assay.lua.declare import Function, Handle, Library
from assay.lua.function import LuaFunction
from assay.lua.values import Name, Path, Seconds
from assay.permissions.needs import flags

_TWINS = "Functions on the last connection"
_CONSTANTS = "Constants"
_TABLES = "Options and results"
_MAX_TITLES = 3  # functions named in the heading of an option
_NONE: Mapping[str, Any] = types.MappingProxyType({})
_TYPE_NAME = re.compile(r"\b(?:[a-z]+(?:\.[a-z]+)*\.)?[A-Z]\w+")
_SECTION = re.compile(r"^(Args|Attributes):$", re.MULTILINE)
_ITEM = re.compile(r"^    (\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
_WORDS = {
    str: "string",
    bytes: "string",
    Path: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    Name: "string",
    Seconds: "number",
}


class Doc:
    """A parsed docstring: its text, and the descriptions of arguments or fields by name."""

    def __init__(self, docstring: str | None) -> None:
        clean = inspect.cleandoc(docstring or "")
        section = _SECTION.search(clean)
        self.text = clean[: section.start()].strip() if section else clean
        items = _ITEM.findall(clean[section.end() :]) if section else []
        self.items = {name: " ".join(text.split()) for name, text in items}


class Types:
    """Names of types in Lua. Collects the tables that were named."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.tables: dict[type, str] = {}

    def parameter(self, function: Function, parameter: Parameter) -> str:
        """Return the name of the type of an argument."""
        hint = typing.get_args(parameter.hint)[0] if parameter.rest else parameter.hint
        return self.name(hint, self._callback(function.title, parameter.name))

    def _callback(self, owner: str, name: str) -> str:
        return self._library.callbacks.get(f"{owner}.{name}", "function")

    def name(self, hint: Any, function: str = "function") -> str:
        """Return the LuaLS name of a type; `function` is the name for function types in it."""
        if hint is LuaFunction:
            return function
        if hint in _WORDS:
            return _WORDS[hint]
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            members = [member for member in arguments if member is not types.NoneType]
            names = dict.fromkeys(self._member(member, function, len(members)) for member in members)
            if "any" in names:
                return "any"
            if "number" in names:
                names.pop("integer", None)
            return "|".join(names)
        if origin is typing.Literal:
            return "|".join(f'"{choice}"' for choice in arguments)
        if origin is list:
            item = self.name(arguments[0], function)
            return f"({item})[]" if "|" in item else f"{item}[]"
        if origin is dict:
            return f"table<string, {self.name(arguments[1], function)}>"
        if hint in (list, dict):
            return "table"
        if dataclasses.is_dataclass(hint) and isinstance(hint, type) and not hasattr(hint, "lua_name"):
            return self._table(hint)
        return str(getattr(hint, "lua_name", "any"))

    def _member(self, hint: Any, function: str, members: int) -> str:
        name = self.name(hint, function)
        return f"({name})" if members > 1 and name.startswith("fun(") else name

    def _table(self, cls: type) -> str:
        if cls not in self.tables:
            self.tables[cls] = f"{self._library.name}.{cls.__name__}"
            list(self.fields(cls))
        return self.tables[cls]

    def fields(self, cls: type) -> Iterator[tuple[str, str, str, str]]:
        """Yield the fields of a table: name (with "?" if optional), type, default and description."""
        described: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            described |= Doc(base.__doc__).items
        hints = typing.get_type_hints(cls)
        for field in sorted(dataclasses.fields(cls), key=_order(cls)):
            hint = hints[field.name]
            default = field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            optional = default is not dataclasses.MISSING or types.NoneType in typing.get_args(hint)
            shown = "" if default is dataclasses.MISSING else _lua(default)
            kind = self.name(hint, self._callback(f"{self._library.name}.{cls.__name__}", field.name))
            yield field.name + "?" * optional, kind, shown, described.get(field.name, "")

    def result(self, function: Function) -> str:
        """Return the name of the result type of a function; "" for no result."""
        hint = function.result
        declared = self._library.callbacks.get(f"{function.title}.return")
        if declared is not None:
            return declared
        if hint in (None, types.NoneType, typing.NoReturn):
            return ""
        name = self.name(hint)
        return name + "?" * (types.NoneType in typing.get_args(hint) and name != "any")

    def note_callbacks(self) -> None:
        """Collect the tables that only callbacks use."""
        for cls in map(pkgutil.resolve_name, self._library.callback_tables):
            self.name(cls)


def _order(cls: type) -> Callable[[dataclasses.Field[Any]], tuple[bool, bool]]:
    """Return the sort key of fields: required options first, those of bases with `lua_last` last."""
    bases = [base for base in cls.__mro__[1:] if vars(base).get("lua_last", False)]
    shared = {field.name for base in bases for field in dataclasses.fields(base)}
    is_input = cls.__name__.endswith(("Options", "Target"))

    def key(field: dataclasses.Field[Any]) -> tuple[bool, bool]:
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        return is_input and not missing, field.name in shared

    return key


def _lua(value: Any) -> str:
    """Return a default as a Lua literal; "" for one that is not worth showing."""
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


def public(functions: list[Function]) -> list[Function]:
    """Return the functions that are visible to scripts."""
    return [function for function in functions if not function.name.startswith("_") or function.name == "__call__"]


def arguments(function: Function) -> list[Parameter]:
    """Return the parameters of a function without `self`."""
    return [parameter for parameter in function.parameters if parameter.name != "self"]


def _defaults(function: Function) -> dict[str, str]:
    parameters = inspect.signature(function.python).parameters.values()
    return {item.name: _lua(item.default) for item in parameters if item.default is not inspect.Parameter.empty}


Groups = Sequence[tuple[str, Sequence[str]]]
"""Headings, each with the names of its methods."""


def page(
    library: Library,
    examples: Mapping[str, str] = _NONE,
    groups: Mapping[str, Groups] = _NONE,
    twin: str = "",
    guides: str = "",
) -> str:
    """Return the reference page of a library.

    `examples` maps titles of functions to Markdown that follows them; `groups` maps handles to groups of their methods.
    Functions that are also methods of the handle `twin` are only listed, with links to the groups of the methods.
    `guides` is a line with links to guides. A page with groups has a table of contents.
    """
    names = Types(library)
    same = {name for _, members in groups.get(twin, ()) for name in members}
    parts = []
    for function in filter(None, [library.entry, *public(library.functions)]):
        if function.name not in same:
            parts += [*_section(function, names, "##"), examples.get(function.title, "")]
    if same:
        parts.append(f"## {_TWINS}")
        parts.append(_twins(library, twin, groups.get(twin, ())))
    if library.constants:
        parts.append(f"## {_CONSTANTS}")
        parts.append("\n".join(f"- `{library.name}.{name}`: {text}" for name, text in library.constants.items()))
    for handle in library.handles:
        parts += [f"## {handle.name}", Doc(handle.python.__doc__).text, *_table("field", handle_fields(handle))]
        methods = {method.name: method for method in public(handle.methods)}
        for title, members in groups.get(handle.name, ()):
            parts.append(f"### {title}")
            for method in map(methods.pop, members):
                parts += [*_section(method, names, "####"), examples.get(method.title, "")]
        for method in methods.values():
            parts += [*_section(method, names, "###"), examples.get(method.title, "")]
    names.note_callbacks()
    parts += [_tables_list(names)] if groups else []
    for cls, name in all_tables(names):
        parts += [f"{'###' if groups else '##'} {name}", Doc(cls.__doc__).text, *_table("field", names.fields(cls))]
    sections = [_TWINS] * bool(same) + [_CONSTANTS] * bool(library.constants)
    contents = _contents(library, sections, groups) if groups else ""
    parts = [f"# {library.name}", Doc(library.doc).text, guides, contents, *parts]
    here = [name for _, name in all_tables(names)] + [handle.name for handle in library.handles]
    return _with_links("\n\n".join(filter(None, parts)) + "\n", library, here)


def _section(function: Function, names: Types, level: str) -> list[str]:
    *parts, notes = _function_part(function, names, level)
    return [*parts, f"Returns `{names.result(function)}`.", notes]


def _twins(library: Library, twin: str, groups: Groups) -> str:
    lines = [f"These functions call the methods of [`{twin}`](#{_anchor(twin)}) with the same names.\n"]
    lines += ["| section | functions |", "| --- | --- |"]
    for title, members in groups:
        lines.append(f"| [{title}](#{_anchor(title)}) | {', '.join(f'`{library.name}.{name}`' for name in members)} |")
    return "\n".join(lines)


def _contents(library: Library, sections: Sequence[str], groups: Mapping[str, Groups]) -> str:
    lines = list(map(_item, sections))
    for handle in library.handles:
        lines.append(_item(handle.name))
        lines += [f"    {_item(title)}" for title, _ in groups.get(handle.name, ())]
    return "\n".join(["Contents:\n", *lines, _item(_TABLES)])


def _tables_list(names: Types) -> str:
    lines = [f"{_item(name)}: {first_sentence(cls.__doc__ or '')}" for cls, name in all_tables(names)]
    return f"## {_TABLES}\n\n" + "\n".join(lines)


def _item(heading: str) -> str:
    return f"- [{heading}](#{_anchor(heading)})"


def first_sentence(doc: str) -> str:
    """Return the first sentence of a docstring."""
    return " ".join(doc.split("\n\n")[0].split()).partition(". ")[0].rstrip(".") + "."


def _with_links(text: str, library: Library, here: list[str]) -> str:
    """Link the types in tables and the result types of functions to their sections."""

    def link(code: str) -> str:
        for name in _TYPE_NAME.findall(code):
            if name in here:
                return f"[{code}](#{_anchor(name)})"
            owner = name.rpartition(".")[0]
            if owner and owner != library.name:
                return f"[{code}]({owner}.md#{_anchor(name)})"
        return code

    def row(match: re.Match[str]) -> str:
        return match[1] + link(match[2]) + match[3]

    def result(match: re.Match[str]) -> str:
        linked = link(match[1])
        return "" if linked.startswith("`") else f"Returns {linked}.\n\n"

    text = re.sub(r"^(\| `[^`]+` \| )(`[^`]+`)( \|)", row, text, flags=re.MULTILINE)
    return re.sub(r"^Returns (`[^`]*`)\.\n(?:\n|\Z)", result, text, flags=re.MULTILINE).rstrip("\n") + "\n"


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A function or option: its title, description, and Markdown section with its tables."""

    title: str
    doc: str
    text: str


def entries(library: Library) -> Iterator[Entry]:
    """Yield the functions and methods of a library."""
    handles = [method for handle in library.handles for method in public(handle.methods)]
    for function in filter(None, [library.entry, *public(library.functions), *handles]):
        names = Types(library)
        parts = _function_part(function, names, "##")
        for cls, name in all_tables(names):
            parts += [f"### {name}", Doc(cls.__doc__).text, *_table("field", names.fields(cls))]
        title = parts[0].removeprefix("## `").partition("`")[0]
        yield Entry(title, Doc(function.doc).text, "\n\n".join(filter(None, parts)) + "\n")


def options(library: Library) -> Iterator[Entry]:
    """Yield the options of the functions of a library."""
    handles = [method for handle in library.handles for method in public(handle.methods)]
    users: dict[type, list[str]] = {}
    names = Types(library)
    for function in filter(None, [library.entry, *public(library.functions), *handles]):
        mentioned = Types(library)
        for parameter in arguments(function):
            mentioned.parameter(function, parameter)
        for cls in mentioned.tables:
            users.setdefault(cls, []).append(f"`{function.title}`")
    for cls, titles in users.items():
        for field, kind, default, text in names.fields(cls):
            name = field.removesuffix("?")
            shown = f"{kind}`, `{default}` by default" if default else f"{kind}`"
            head = f"## `{name}` of {', '.join(titles[:_MAX_TITLES])}{', …' * (len(titles) > _MAX_TITLES)}"
            yield Entry(name, text, f"{head}\n\n`{shown}: {text}\n")


def all_tables(names: Types) -> Iterator[tuple[type, str]]:
    """Yield the collected tables, sorted by name."""
    yield from sorted(names.tables.items(), key=lambda item: item[1])


def handle_fields(handle: Handle) -> Iterator[tuple[str, str, str, str]]:
    """Yield the fields of a handle, in the form of `Types.fields`."""
    doc = Doc(handle.python.__doc__)
    for name, cls in handle.fields.items():
        yield name, cls.lua_name, "", doc.items.get(name, "")  # type: ignore[attr-defined]


def _function_part(function: Function, names: Types, level: str) -> list[str]:
    doc, defaults = Doc(function.doc), _defaults(function)
    shown, rows = [], []
    for parameter in arguments(function):
        if parameter.rest:
            shown.append("...")
            rows.append(("...", names.parameter(function, parameter), "", doc.items.get(parameter.name, "")))
            continue
        name = parameter.name + "?" * parameter.optional
        shown.append(name)
        default = defaults.get(parameter.name, "")
        rows.append((name, names.parameter(function, parameter), default, doc.items.get(parameter.name, "")))
    result = names.result(function)
    notes = ["Suspends only the calling coroutine while it waits."] * function.waits
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
