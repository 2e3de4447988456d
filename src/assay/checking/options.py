"""Rules for the options of `ctx` methods: unknown names, and constants of the wrong type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from tree_sitter import Node

from assay.checking.findings import suggestion
from assay.checking.syntax import UNKNOWN, constant, line_of, table_fields, text_of
from assay.errors import BuiltinError
from assay.lua import convert
from assay.lua.declare import Function


def bad_options(function: Function, arguments: Sequence[Node]) -> Iterator[tuple[int, str]]:
    """Return the problems in the option tables of a call, as lines and messages."""
    expected = [item for item in function.parameters if item.name != "self"]
    for parameter, node in zip(expected, arguments, strict=False):
        if _options_of(parameter.hint) is not None:
            yield from _problems(function.title, parameter.hint, node, f"argument '{parameter.name}'", "")


def _options_of(hint: Any) -> type | None:
    """Return the class of the option table in a type hint, if any."""
    classes = [item for item in (hint, *get_args(hint)) if isinstance(item, type) and is_dataclass(item)]
    return classes[0] if len(classes) == 1 else None


def _problems(title: str, hint: Any, node: Node, where: str, outer: str) -> Iterator[tuple[int, str]]:
    """Check a value and its nested options; `where` describes the value, and `outer` prefixes the names in it."""
    options, entries = _options_of(hint), table_fields(node)
    if options is None or entries is None:
        value = constant(node)
        if value is not UNKNOWN:
            try:
                convert.converter(hint)(value, where)
            except BuiltinError as error:
                yield line_of(node), f"{title}: {error}"
        return
    hints = get_type_hints(options)
    known = {field.name for field in fields(options)}
    for key, inner in entries:
        name = text_of(key)
        if name not in known:
            yield line_of(key), f"{title} has no option '{outer}{name}'" + suggestion(name, known)
        else:
            yield from _problems(title, hints[name], inner, f"option '{outer}{name}'", f"{outer}{name}.")
