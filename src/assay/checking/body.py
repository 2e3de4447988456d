"""A function or chunk to check: its calls, and the meaning of its names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from tree_sitter import Node

from assay.checking import syntax
from assay.checking.scopes import Scopes, Variable, scopes_of

Kind = tuple[str, Any]
"""Meaning of a name: ("builtin", name), ("table", fields), ("function", id or node), ("foreign", description),
("local", None), ("plain", None) for any other value, ("absent", None) for a global that does not exist."""

_MAX_DEPTH = 8  # chained aliases to follow


class Globals(Protocol):
    """The globals of a script."""

    def kind(self, name: str) -> Kind:
        """Return the meaning of a global."""

    def names(self) -> set[str]:
        """Return the names of all globals, including those that the script assigns."""

    def members(self, library: str) -> list[str]:
        """Return the names in a library; empty if there is no such library."""

    def has_module(self, name: str) -> bool:
        """Return true if a module is loaded."""


@dataclass(frozen=True)
class Call:
    """A call of a named function.

    Attributes:
        node: Node of the call.
        names: Identifiers of the name and its fields: three for `a.b:c`.
        arguments: Arguments.
    """

    node: Node
    names: Sequence[Node]
    arguments: Sequence[Node]

    @property
    def path(self) -> list[str]:
        """The name and its fields as strings."""
        return [syntax.text_of(name) for name in self.names]

    @property
    def line(self) -> int:
        """The line of the last field."""
        return syntax.line_of(self.names[-1])

    @property
    def is_method(self) -> bool:
        """True for a call with a colon."""
        called = self.node.child_by_field_name("name")
        return called is not None and called.type == "method_index_expression"

    @property
    def literal(self) -> str | None:
        """The first argument, if it is a string."""
        return syntax.string_of(self.arguments[0]) if self.arguments else None

    @property
    def is_statement(self) -> bool:
        """True if the results are discarded."""
        return self.node.parent is not None and self.node.parent.type in ("chunk", "block")


@dataclass(frozen=True)
class Body:
    """A function or a chunk.

    Attributes:
        file: Path of the source.
        source: Source of the whole file.
        node: Syntax node.
        captured: Meaning of each captured variable, if the script has run.
        globals: Globals of the script.
        context: Name of the parameter that receives the workflow's `ctx`.
    """

    file: str
    source: bytes
    node: Node
    captured: Mapping[str, Kind]
    globals: Globals
    context: str = "ctx"

    @cached_property
    def scopes(self) -> Scopes:
        """The variables of the whole source."""
        return scopes_of(self.source)

    @cached_property
    def calls(self) -> list[Call]:
        """The calls of named functions."""
        return list(self._find_calls())

    def _find_calls(self) -> Iterator[Call]:
        for node in syntax.descendants(self.node):
            if node.type == "function_call":
                names = syntax.dotted(node.child_by_field_name("name"))
                if names is not None:
                    yield Call(node, names, syntax.arguments(node))

    def context_calls(self) -> Iterator[Call]:
        """Return the calls of methods of `ctx`."""
        for call in self.calls:
            if call.is_method and len(call.names) == 2 and call.path[0] == self.context:
                yield call

    def is_inside(self, variable: Variable) -> bool:
        """Return true if a variable is declared in this body."""
        return self.node.start_byte <= variable.at < self.node.end_byte

    def kind(self, name: Node, depth: int = 0) -> Kind:
        """Return the meaning of a variable."""
        text = syntax.text_of(name)
        variable = self.scopes.variables.get(name.start_byte)
        if variable is None:
            return self.globals.kind(text)
        if not self.is_inside(variable) and text in self.captured:
            return self.captured[text]
        if variable.is_assigned or variable.value is None:
            return "local", None
        return self._value(variable.value, depth + 1)

    def resolve(self, names: Sequence[Node], depth: int = 0) -> Kind:
        """Return the meaning of a name with its fields."""
        kind, value = self.kind(names[0], depth)
        for at, name in enumerate(names[1:], 1):
            if kind == "builtin":
                return kind, ".".join([value, *map(syntax.text_of, names[at:])])
            kind, value = value.get(syntax.text_of(name), ("plain", None)) if kind == "table" else ("plain", None)
        return kind, value

    def _value(self, node: Node, depth: int) -> Kind:
        """Return the meaning of an expression, as far as the source shows it."""
        if node.type in syntax.FUNCTIONS:
            return "function", node
        names = syntax.dotted(node)
        if names is not None and depth < _MAX_DEPTH:
            return self.resolve(names, depth)
        return "local", None
