"""The options in calls of `ctx`: names that do not exist, and constants that do not fit."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from assay.checking.tokens import UNKNOWN, Token, constant, table_fields
from assay.errors import BuiltinError
from assay.lua import convert
from assay.lua.declare import Function


def nearest(name: str, known: Iterable[str]) -> str:
    """What follows the name of something unknown: the one that was probably meant."""
    near = difflib.get_close_matches(name, sorted(known), 1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def bad_options(function: Function, given: Sequence[Sequence[Token]]) -> Iterator[tuple[int, str]]:
    """What is wrong with the option tables that a function is given: the line, and what to say."""
    expected = [item for item in function.parameters if item.name != "self"]
    for parameter, tokens in zip(expected, given, strict=False):
        if _options_of(parameter.hint) is not None:
            yield from _misfits(function.title, parameter.hint, tokens, f"argument '{parameter.name}'", "")


def _options_of(hint: Any) -> type | None:
    """The class of the option table that a type is, or may be."""
    found = [item for item in (hint, *get_args(hint)) if isinstance(item, type) and is_dataclass(item)]
    return found[0] if len(found) == 1 else None


def _misfits(title: str, hint: Any, tokens: Sequence[Token], where: str, outer: str) -> Iterator[tuple[int, str]]:
    """Look at a value and at the options in it. `outer` stands before their names; `where` names the value itself."""
    options, given = _options_of(hint), table_fields(tokens)
    if options is None or given is None:
        value = constant(tokens)
        if value is not UNKNOWN:
            try:
                convert.converter(hint)(value, where)
            except BuiltinError as error:
                yield tokens[0].line, f"{title}: {error}"
        return
    hints = get_type_hints(options)
    known = {field.name for field in fields(options)}
    for key, inner in given:
        name = outer + key.text
        if key.text not in known:
            yield key.line, f"{title} has no option '{name}'" + nearest(key.text, known)
        else:
            yield from _misfits(title, hints[key.text], inner, f"option '{name}'", f"{name}.")
