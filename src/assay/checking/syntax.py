"""Lua source as a syntax tree, and accessors for its nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import tree_sitter_lua
from tree_sitter import Language, Node, Parser

FUNCTIONS = ("function_definition", "function_declaration")
UNKNOWN = object()
"""Value of an expression that is not constant."""


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_lua.language()))


@lru_cache(maxsize=64)
def parse(source: bytes) -> Node:
    """Parse source into a chunk, which has nodes of type "ERROR" where it does not parse."""
    return _parser().parse(source).root_node


def text_of(node: Node) -> str:
    """Return the source of a node."""
    return (node.text or b"").decode("utf-8", "replace")


def line_of(node: Node) -> int:
    """Return the line in which a node begins."""
    return node.start_point.row + 1


def descendants(node: Node) -> Iterator[Node]:
    """Return a node and all named nodes in it, in source order."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(current.named_children))


def dotted(node: Node | None) -> list[Node] | None:
    """Return the identifiers of a name with its fields: three for `a.b:c`; None for any other expression."""
    names: list[Node] = []
    while node is not None and node.type in ("dot_index_expression", "method_index_expression"):
        field = node.child_by_field_name("field") or node.child_by_field_name("method")
        if field is None:
            return None
        names.append(field)
        node = node.child_by_field_name("table")
    if node is None or node.type != "identifier":
        return None
    return [node, *reversed(names)]


@dataclass(frozen=True)
class MethodCall:
    """A call with a colon: its object, method name, line and arguments."""

    subject: Node
    method: str
    line: int
    arguments: list[Node]

    @property
    def literal(self) -> str | None:
        """The first argument, if it is a string."""
        return string_of(self.arguments[0]) if self.arguments else None


def method_calls(node: Node) -> Iterator[MethodCall]:
    """Return the calls with a colon in a node, on any object."""
    for call in descendants(node):
        called = call.child_by_field_name("name") if call.type == "function_call" else None
        if called is not None and called.type == "method_index_expression":
            subject, method = called.child_by_field_name("table"), called.child_by_field_name("method")
            if subject is not None and method is not None:
                yield MethodCall(subject, text_of(method), line_of(method), arguments(call))


def arguments(call: Node) -> list[Node]:
    """Return the arguments of a call."""
    nodes = call.child_by_field_name("arguments")
    return [] if nodes is None else [node for node in nodes.named_children if node.type != "comment"]


def parameters(function: Node) -> list[str]:
    """Return the names of a function's parameters, without a method's `self`."""
    nodes = function.child_by_field_name("parameters")
    return [] if nodes is None else [text_of(node) for node in nodes.named_children if node.type == "identifier"]


def string_of(node: Node | None) -> str | None:
    """Return the value of a string literal; None for other expressions and for strings with escape sequences."""
    if node is None or node.type != "string":
        return None
    content = node.child_by_field_name("content")
    if content is None:
        return ""
    return None if content.named_child_count else text_of(content)


def table_fields(node: Node | None) -> list[tuple[Node, Node]] | None:
    """Return the named fields of a table constructor and their values; None for any other expression."""
    if node is None or node.type != "table_constructor":
        return None
    named = ((name, value) for name, value in _fields(node) if name is not None)
    return [(name, value) for name, value in named if name.type == "identifier"]


def field(node: Node | None, name: str) -> Node | None:
    """Return the value of a field in a table constructor."""
    return next((value for key, value in table_fields(node) or [] if text_of(key) == name), None)


def _fields(table: Node) -> Iterator[tuple[Node | None, Node]]:
    """Return the fields of a table constructor; the name of `[a] = 1` is its bracket."""
    for item in table.named_children:
        value = item.child_by_field_name("value")
        if item.type == "field" and value is not None:
            first = item.children[0]
            yield first if first.type == "[" else item.child_by_field_name("name"), value


def constant(node: Node) -> Any:
    """Return the value of a constant (a boolean, number, string, or table of constants), or UNKNOWN."""
    match node.type:
        case "true" | "false":
            return node.type == "true"
        case "string":
            text = string_of(node)
            return UNKNOWN if text is None else text
        case "number":
            return _number(text_of(node))
        case "unary_expression":
            operand = node.child_by_field_name("operand")
            value = UNKNOWN if operand is None or node.children[0].type != "-" else constant(operand)
            return -value if isinstance(value, int | float) else UNKNOWN
        case "table_constructor":
            return _constant_table(node)
    return UNKNOWN


def _constant_table(node: Node) -> Any:
    fields = list(_fields(node))
    values = [constant(value) for _, value in fields]
    names = [text_of(name) for name, _ in fields if name is not None and name.type == "identifier"]
    if UNKNOWN in values or any(name is not None and name.type == "[" for name, _ in fields):
        return UNKNOWN
    if len(names) not in (0, len(fields)):
        return UNKNOWN
    return dict(zip(names, values, strict=True)) if names or not fields else values


def _number(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            pass
    return UNKNOWN
