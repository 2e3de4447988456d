"""Check of a worker's functions and, recursively, of the functions that they call."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from tree_sitter import Node

from assay.checking import names, rules, syntax
from assay.checking.body import Body
from assay.checking.findings import Finding
from assay.checking.rules import Names
from assay.checking.scopes import scopes_of
from assay.checking.state import Described, StateGlobals
from assay.lua.host import Host
from assay.temporal.worker.worker import Worker


class Functions:
    """Checker of the functions of a script's workers; each function is checked once per worker."""

    def __init__(self, host: Host) -> None:
        """`host` is the host of the script."""
        self.globals = StateGlobals(host)
        self._seen: set[tuple[str, int]] = set()

    def worker(self, worker: Worker) -> Iterator[Finding]:
        """Check every workflow and activity of a worker, started or not."""
        self._seen.clear()
        options = worker.options
        registered = Names(
            set() if options.dynamic_activity is not None else set(options.activities),
            set() if options.dynamic_workflow is not None else set(options.workflows),
        )
        for name, workflow in options.all_workflows():
            yield from self._held(workflow.run.id, registered, 0, name)
        for name, activity in options.all_activities():
            yield from self._held(activity.run.id, None, None, name)

    def entry(self, body: Body, node: Node, registered: Names | None) -> Iterator[Finding]:
        """Check a workflow or an activity found in the source of a chunk."""
        context = _context(syntax.parameters(node), 0 if registered is not None else None)
        yield from self.check(Body(body.file, body.source, node, {}, body.globals, context), registered)

    def _held(
        self, identity: int, registered: Names | None, context_at: int | None, name: str | None = None
    ) -> Iterator[Finding]:
        """Check a function of the Lua state.

        Args:
            identity: Id of the function.
            registered: Names that its worker registers; None for an activity, to which workflow rules do not apply.
            context_at: Index of the parameter that receives `ctx`.
            name: Name under which the function is registered.
        """
        described = self.globals.function(identity)
        if not described.source.startswith("@"):
            return
        path = described.source[1:]
        source = _read(path)
        node = _find(source, described, name)
        if node is not None:
            self.globals.assigned |= scopes_of(source).assigned_globals
            context = _context(described.parameters, context_at)
            yield from self.check(Body(path, source, node, described.captured, self.globals, context), registered)

    def check(self, body: Body, registered: Names | None) -> Iterator[Finding]:
        """Check a function and the functions that it calls."""
        if (body.file, body.node.start_byte) in self._seen:
            return
        self._seen.add((body.file, body.node.start_byte))
        yield from names.find_undefined(body)
        yield from names.find_absent(body, in_workflow=registered is not None)
        yield from names.find_early_calls(body)
        if registered is not None:
            yield from rules.find_io(body)
            yield from rules.find_modules(body)
            yield from rules.find_foreign(body)
            yield from rules.find_dot_calls(body)
            yield from rules.find_bad_calls(body, registered)
            yield from rules.find_unused_futures(body)
        for call in body.calls:
            kind, value = body.resolve(call.names)
            if kind != "function":
                continue
            arguments = [syntax.text_of(argument) for argument in call.arguments]
            position = arguments.index(body.context) if body.context in arguments else None
            if isinstance(value, int):
                yield from self._held(value, registered, position)
            elif not body.node.start_byte <= value.start_byte < body.node.end_byte:
                context = _context(syntax.parameters(value), position)
                yield from self.check(Body(body.file, body.source, value, {}, self.globals, context), registered)


def _context(parameters: list[str], at: int | None) -> str:
    return parameters[at] if at is not None and at < len(parameters) else "ctx"


def _find(source: bytes, described: Described, name: str | None) -> Node | None:
    """Return the node of a function; None if lines, parameters and name do not identify one."""
    candidates = [
        node
        for node in syntax.descendants(syntax.parse(source))
        if node.type in syntax.FUNCTIONS
        and syntax.line_of(node) == described.first
        and node.end_point.row + 1 == described.last
        and syntax.parameters(node) == [parameter for parameter in described.parameters if parameter != "self"]
    ]
    if len(candidates) > 1:
        candidates = [node for node in candidates if name is not None and _is_field(node, name)]
    return candidates[0] if len(candidates) == 1 else None


def _is_field(node: Node, name: str) -> bool:
    """Return true if a function is the value of a field with a name, or is nested in one."""
    parent = node.parent
    while parent is not None and parent.type in ("field", "table_constructor"):
        key = parent.child_by_field_name("name")
        if key is not None and syntax.text_of(key) == name:
            return True
        parent = parent.parent
    return False


@lru_cache(maxsize=64)
def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
