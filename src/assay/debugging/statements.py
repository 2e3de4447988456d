"""Statements over several lines: Lua comes back to their first line, which is not a new step."""

from __future__ import annotations

import re

from assay.checking import syntax

_TYPES = frozenset(
    {"assignment_statement", "function_call", "return_statement", "table_constructor", "variable_declaration"}
)


_CLOSING = re.compile(rb"\s*[)\]}][)\]},;\s]*")


def spans(source: bytes) -> dict[int, int]:
    """The first lines of the statements, calls and tables of a source that have several; and their last lines."""
    found: dict[int, int] = {}
    for node in syntax.descendants(syntax.parse(source)):
        first, last = syntax.line_of(node), node.end_point.row + 1
        if node.type in _TYPES and last > first:
            found[first] = max(last, found.get(first, 0))
    return found


def closing_lines(source: bytes) -> list[int]:
    """The lines that have nothing but brackets that close, and commas."""
    return [number for number, line in enumerate(source.split(b"\n"), 1) if _CLOSING.fullmatch(line)]
