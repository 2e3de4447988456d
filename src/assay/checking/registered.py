"""Workers and test environments in the source of a script, as far as they are table constructors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tree_sitter import Node

from assay.checking import syntax
from assay.checking.body import Body
from assay.temporal.worker.options import ALL_OTHERS


@dataclass
class Entries:
    """The workflows or activities of a worker.

    Attributes:
        functions: Function nodes by name; None for a function that the source does not show.
        is_complete: False if there may be others.
    """

    functions: dict[str, Node | None] = field(default_factory=dict)
    is_complete: bool = True


@dataclass
class SourceWorker:
    """A call of `temporal.worker`."""

    task_queue: str
    workflows: Entries
    activities: Entries
    nexus_services: Entries


def workers(body: Body) -> Iterator[SourceWorker]:
    """Return the workers that a chunk registers."""
    for call in body.calls:
        if body.resolve(call.names) == ("builtin", "temporal.worker") and call.arguments:
            options = _value(body, call.arguments[0])
            if options is None or options.type != "table_constructor":
                continue
            queue = syntax.string_of(syntax.field(options, "task_queue"))
            yield SourceWorker(
                queue if queue is not None else "?",
                entries(body, options, "workflows", "dynamic_workflow"),
                entries(body, options, "activities", "dynamic_activity"),
                entries(body, options, "nexus_services"),
            )


def entries(body: Body, options: Node, group: str, dynamic: str | None = None) -> Entries:
    """Return the entries of one group, such as "workflows", in the options of a worker or an environment."""
    result = Entries()
    value = syntax.field(options, group)
    table = None if value is None else _value(body, value)
    fields = syntax.table_fields(table)
    if value is not None and (fields is None or table is None or len(fields) < table.named_child_count):
        result.is_complete = False
    if value is not None and value.type == "identifier":
        result.is_complete = False  # functions may be added to a table in a variable
    for name, function in fields or []:
        result.functions[syntax.text_of(name)] = _function(body, function)
    if dynamic is not None and (other := syntax.field(options, dynamic)) is not None:
        result.functions[ALL_OTHERS] = _function(body, other)
        result.is_complete = False
    return result


def _function(body: Body, node: Node) -> Node | None:
    """Return the function of an entry: its value, or the field `run` of its value."""
    value = _value(body, node)
    run = syntax.field(value, "run")
    if run is not None:
        value = _value(body, run)
    return value if value is not None and value.type in syntax.FUNCTIONS else None


def _value(body: Body, node: Node) -> Node | None:
    """Return an expression; for a variable, its initial value."""
    names = syntax.dotted(node)
    if names is None:
        return node
    if len(names) > 1:
        kind, value = body.resolve(names)
        return value if kind == "function" and isinstance(value, Node) else None
    variable = body.scopes.variables.get(node.start_byte)
    return None if variable is None or variable.is_assigned else variable.value


_OPTIONS = {"test.workflow_env": 0, "test.explore": 1}
"""Index of the argument with the options of an environment."""


@dataclass
class SourceEnvironment:
    """A call of `test.workflow_env` or `test.explore`.

    Attributes:
        node: Node of the options.
        script: Path of its script, if any.
        is_known: True if the source shows its script, or that it has none.
        activities: Activities in the options.
        workflows: Workflows in the options.
    """

    node: Node
    script: str | None
    is_known: bool
    activities: Entries
    workflows: Entries


def environments(body: Body) -> Iterator[SourceEnvironment]:
    """Return the environments that a test file creates, including those of explorations."""
    for call in body.calls:
        place = _OPTIONS.get(".".join(call.path)) if call.path else None
        if place is not None and len(call.arguments) > place:
            options = _value(body, call.arguments[place])
            if options is None or options.type != "table_constructor":
                yield SourceEnvironment(call.node, None, False, Entries(), Entries())
                continue
            path = syntax.field(options, "script")
            script = None if path is None else syntax.string_of(_value(body, path))
            yield SourceEnvironment(
                options,
                script,
                path is None or script is not None,
                entries(body, options, "activities"),
                entries(body, options, "workflows"),
            )
