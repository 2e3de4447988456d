"""Resolution of the names in a chunk to variables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tree_sitter import Node

from assay.checking.syntax import dotted, parse, text_of

Visit = Iterator[Node]
"""Visit of a node: yields the inner nodes to visit, and resumes after each has been visited."""

_NO_VARIABLES = ("goto_statement", "label_statement", "attribute", "comment", "string", "implicit_variable_declaration")
_BRANCHING = ("if_statement", "elseif_statement", "while_statement", "repeat_statement")


@dataclass(eq=False)
class Variable:
    """A local variable.

    Attributes:
        name: Name.
        at: Position of the declaration, in bytes.
        value: Expression or function that initializes it.
        is_assigned: True if it is assigned after its declaration.
    """

    name: str
    at: int
    value: Node | None = None
    is_assigned: bool = False


@dataclass(frozen=True)
class GlobalUse:
    """A read of a global variable; `is_guarded` means that nil is expected, as in `x or 1`."""

    node: Node
    is_guarded: bool


class Scopes:
    """The variables of a chunk."""

    def __init__(self, chunk: Node) -> None:
        self.variables: dict[int, Variable] = {}
        """Local variables by the positions, in bytes, of their uses."""
        self.reads: Counter[Variable] = Counter()
        self.globals: list[GlobalUse] = []
        self.assigned_globals: set[str] = set()
        """Globals that the chunk assigns, and fields of globals, such as "string.trim"."""
        self._scopes: list[dict[str, Variable]] = []
        self._walk(chunk)

    def _declare(self, name: Node, value: Node | None = None) -> None:
        variable = Variable(text_of(name), name.start_byte, value)
        self._scopes[-1][variable.name] = variable
        self.variables[name.start_byte] = variable

    def _find(self, name: str) -> Variable | None:
        return next((scope[name] for scope in reversed(self._scopes) if name in scope), None)

    def _walk(self, chunk: Node) -> None:
        """Visit a chunk, with an explicit stack of generators so that deeply nested source needs no recursion."""
        visits = [self._visit_block(chunk)]
        while visits:
            inner = next(visits[-1], None)
            if inner is None:
                visits.pop()
            else:
                visits.append(self._visit(inner))

    def _visit(self, node: Node) -> Visit:
        match node.type:
            case "identifier":
                self._read(node)
            case "block":
                yield from self._visit_block(node)
            case "variable_declaration":
                yield from self._visit_declaration(node)
            case "assignment_statement":
                yield from self._visit_assignment(node)
            case "function_declaration":
                yield from self._visit_function_declaration(node)
            case "function_definition":
                yield from self._visit_function(node)
            case "for_statement":
                yield from self._visit_loop(node)
            case "repeat_statement":
                yield from self._visit_repeat(node)
            case "dot_index_expression" | "method_index_expression":
                yield from _child(node, "table")
            case "field":
                if node.children[0].type == "[":
                    yield from _child(node, "name")
                yield from _child(node, "value")
            case kind if kind not in _NO_VARIABLES:
                yield from node.named_children

    def _visit_block(self, node: Node) -> Visit:
        self._scopes.append({})
        yield from node.named_children
        self._scopes.pop()

    def _read(self, node: Node) -> None:
        variable = self._find(text_of(node))
        if variable is None:
            self.globals.append(GlobalUse(node, _is_guarded(node)))
        else:
            self.variables[node.start_byte] = variable
            self.reads[variable] += 1

    def _visit_declaration(self, node: Node) -> Visit:
        """Visit a declaration, `local` or `global` depending on its parent's field."""
        targets, values = _targets_and_values(node)
        yield from values
        is_global = _field_of(node) == "global_declaration"
        for at, target in enumerate(targets):
            if is_global:
                self.assigned_globals.add(text_of(target))
            else:
                self._declare(target, values[at] if at < len(values) else None)

    def _visit_assignment(self, node: Node) -> Visit:
        targets, values = _targets_and_values(node)
        yield from values
        for target in targets:
            if target.type == "identifier":
                self._assign(target)
            else:
                self._assign_field(target)
                yield target

    def _assign_field(self, target: Node) -> None:
        """Record an assigned field of a global; a field of `_G` is itself a global."""
        names = dotted(target)
        if names is not None and len(names) == 2 and self._find(text_of(names[0])) is None:
            table, field = map(text_of, names)
            self.assigned_globals.add(field if table == "_G" else f"{table}.{field}")

    def _assign(self, target: Node) -> None:
        name = text_of(target)
        variable = self._find(name)
        if variable is None:
            self.assigned_globals.add(name)
        else:
            variable.is_assigned = True
            self.variables[target.start_byte] = variable

    def _visit_function_declaration(self, node: Node) -> Visit:
        name = node.child_by_field_name("name")
        if name is not None and name.type == "identifier":
            if _field_of(node) == "local_declaration":
                self._declare(name, node)
            else:
                self._assign(name)
        elif name is not None:
            self._assign_field(name)
            yield name
        yield from self._visit_function(node, is_method=name is not None and name.type == "method_index_expression")

    def _visit_function(self, node: Node, *, is_method: bool = False) -> Visit:
        self._scopes.append({})
        if is_method:
            self._scopes[-1]["self"] = Variable("self", node.start_byte)
        parameters = node.child_by_field_name("parameters")
        for name in parameters.named_children if parameters is not None else []:
            if name.type == "identifier":
                self._declare(name)
        yield from _child(node, "body")
        self._scopes.pop()

    def _visit_loop(self, node: Node) -> Visit:
        clause = node.child_by_field_name("clause")
        names: list[Node] = []
        for child in clause.named_children if clause is not None else []:
            if child.type == "variable_list":
                names += child.children_by_field_name("name")
            elif clause is not None and clause.child_by_field_name("name") == child:
                names.append(child)
            else:
                yield child
        self._scopes.append({})
        for name in names:
            self._declare(name)
        yield from _child(node, "body")
        self._scopes.pop()

    def _visit_repeat(self, node: Node) -> Visit:
        body = node.child_by_field_name("body")
        self._scopes.append({})
        yield from body.named_children if body is not None else []
        yield from _child(node, "condition")
        self._scopes.pop()


@lru_cache(maxsize=64)
def scopes_of(source: bytes) -> Scopes:
    """Return the variables of a chunk by its source."""
    return Scopes(parse(source))


def _child(node: Node, field: str) -> Visit:
    child = node.child_by_field_name(field)
    if child is not None:
        yield child


def _targets_and_values(node: Node) -> tuple[list[Node], list[Node]]:
    """Return the targets and the values of a declaration or an assignment."""
    assignment = next((child for child in node.named_children if child.type == "assignment_statement"), node)
    targets: list[Node] = []
    values: list[Node] = []
    for child in assignment.named_children:
        if child.type == "variable_list":
            targets = child.children_by_field_name("name")
        elif child.type == "expression_list":
            values = child.named_children
    return targets, values


def _field_of(node: Node) -> str | None:
    """Return the name of the parent's field that contains a node."""
    parent = node.parent
    if parent is None:
        return None
    at = next((at for at, child in enumerate(parent.children) if child == node), None)
    return None if at is None else parent.field_name_for_child(at)


def _is_guarded(node: Node) -> bool:
    """Return true if nil is expected at a node: it is compared, or is a condition."""
    parent = node.parent
    while parent is not None and parent.type == "parenthesized_expression":
        node, parent = parent, parent.parent
    if parent is None:
        return False
    if parent.type == "binary_expression":
        return any(child.type in ("and", "or", "==", "~=") for child in parent.children)
    if parent.type == "unary_expression":
        return parent.children[0].type == "not"
    if parent.type in _BRANCHING:
        return parent.child_by_field_name("condition") == node
    if parent.type == "arguments" and parent.parent is not None:
        called = parent.parent.child_by_field_name("name")
        return called is not None and text_of(called) in ("type", "assert")
    return False
