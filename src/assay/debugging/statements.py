"""Multi-line statements: Lua returns to their first line, which must not count as a new step."""

from __future__ import annotations

import re

from assay.checking import syntax

_TYPES = frozenset(
    {"assignment_statement", "function_call", "return_statement", "table_constructor", "variable_declaration"}
)


_CLOSING = re.compile(rb"\s*[)\]}][)\]},;\s]*")


def spans(source: bytes) -> dict[int, int]:
    """Return the last lines of multi-line statements, calls and tables, by their first line."""
    last_lines: dict[int, int] = {}
    for node in syntax.descendants(syntax.parse(source)):
        first, last = syntax.line_of(node), node.end_point.row + 1
        if node.type in _TYPES and last > first:
            last_lines[first] = max(last, last_lines.get(first, 0))
    return last_lines


def closing_lines(source: bytes) -> list[int]:
    """Return the lines that contain only closing brackets and separators."""
    return [number for number, line in enumerate(source.split(b"\n"), 1) if _CLOSING.fullmatch(line)]
