"""Rules for workflows and the functions that they call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assay.checking import syntax
from assay.checking.body import Body
from assay.checking.findings import Finding, suggestion
from assay.checking.methods import METHODS, library
from assay.checking.options import bad_options
from assay.libraries import LIBRARIES
from assay.temporal.workflow.sandbox.policy import REPLACED

_ACTIVITY_CALLS = ("execute_activity", "start_activity", "execute_local_activity", "start_local_activity")
_CHILD_CALLS = ("execute_child_workflow", "start_child_workflow")
_FUTURES = ("start_activity", "start_local_activity", "start_child_workflow", "start_timer")
_INSTEAD = {
    "sleep": "use ctx:sleep",
    "os.exit": "return from the workflow function",
    "os.getenv": "the environment differs between machines: read it in an activity",
}


@dataclass(frozen=True)
class Names:
    """Names that the worker of a workflow registers; an empty set accepts any name."""

    activities: set[str]
    workflows: set[str]


def find_io(body: Body) -> Iterator[Finding]:
    """Find calls of builtins that are not allowed in workflows."""
    for call in body.calls:
        kind, title = body.resolve(call.names)
        if kind == "builtin" and title in ("pcall", "xpcall") and call.arguments:
            names = syntax.dotted(call.arguments[0])
            if names is not None:
                kind, title = body.resolve(names)
        advice = _alternative(title) if kind == "builtin" else None
        if advice:
            yield Finding(body.file, call.line, "error", "io", f"{title} cannot be called in a workflow: {advice}")


def _alternative(title: str) -> str | None:
    """Return what to use instead of a builtin that is not allowed in workflows; None if it is allowed."""
    global_name, _, field = title.partition(".")
    if global_name not in LIBRARIES:
        return None
    declared = library(global_name)
    functions = [function for function in declared.functions if function.name == field]
    if not field and declared.entry is not None:
        functions = [declared.entry]
    if not functions or functions[0].pure or title in REPLACED or title.startswith("log."):
        return None
    return _INSTEAD.get(title, "use an activity")


def find_modules(body: Body) -> Iterator[Finding]:
    """Find modules that a workflow requires too late: only those loaded before the worker starts are available."""
    for call in body.calls:
        if call.path == ["require"] and call.literal is not None and not body.globals.has_module(call.literal):
            text = f"module '{call.literal}' is not loaded when the worker starts: require it outside the workflow"
            yield Finding(body.file, call.line, "error", "module", text)


def find_foreign(body: Body) -> Iterator[Finding]:
    """Find uses of captured values that workflows cannot use."""
    reported = set()
    for node in syntax.descendants(body.node):
        is_part = node.parent is not None and node.parent.type in ("dot_index_expression", "method_index_expression")
        names = syntax.dotted(node)
        if names is None or (is_part and node.parent is not None and node.parent.child_by_field_name("table") != node):
            continue
        if names[0].start_byte not in body.scopes.variables and syntax.text_of(names[0]) not in body.globals.names():
            continue
        kind, description = body.resolve(names)
        name = ".".join(map(syntax.text_of, names))
        if kind == "foreign" and name not in reported:
            reported.add(name)
            text = f"'{name}' is {description}, which cannot be used in a workflow: use it in an activity"
            yield Finding(body.file, syntax.line_of(node), "error", "captured", text)


def find_dot_calls(body: Body) -> Iterator[Finding]:
    """Find methods of `ctx` that are called with a dot and without `ctx` as first argument."""
    for call in body.calls:
        is_context = len(call.path) == 2 and call.path[0] == body.context and call.path[1] in METHODS
        has_self = bool(call.arguments) and syntax.text_of(call.arguments[0]) == body.context
        if is_context and not call.is_method and not has_self:
            right, wrong = ":".join(call.path), ".".join(call.path)
            yield Finding(body.file, call.line, "error", "method", f"{wrong} is a method: write {right}(…)")


def find_bad_calls(body: Body, names: Names) -> Iterator[Finding]:
    """Find unknown methods, options, activities and child workflows, and discarded futures."""
    for call in body.context_calls():
        method = call.path[1]
        function = METHODS.get(method)
        if function is None:
            text = f"ctx has no method '{method}'" + suggestion(method, METHODS)
            yield Finding(body.file, call.line, "error", "method", text)
            continue
        for line, text in bad_options(function, call.arguments):
            yield Finding(body.file, line, "error", "option", text)
        options = syntax.table_fields(call.arguments[2]) if len(call.arguments) > 2 else []
        is_other_queue = options is None or any(syntax.text_of(key) == "task_queue" for key, _ in options)
        for rule, methods, known in (
            ("activity", _ACTIVITY_CALLS, names.activities),
            ("workflow", _CHILD_CALLS, names.workflows),
        ):
            is_checked = method in methods and bool(known) and not is_other_queue
            if is_checked and call.literal is not None and call.literal not in known:
                text = f"no {rule} '{call.literal}' is registered" + suggestion(call.literal, known)
                yield Finding(body.file, call.line, "error", rule, text)
        if method in _FUTURES and call.is_statement:
            text = f"the future of ctx:{method} is discarded; its failure would go unnoticed"
            yield Finding(body.file, call.line, "warning", "future", text)


def find_unused_futures(body: Body) -> Iterator[Finding]:
    """Find futures in variables that are never read; a name that begins with `_` marks this as intended."""
    futures = {call.node.start_byte: call for call in body.context_calls() if call.path[1] in _FUTURES}
    for variable in set(body.scopes.variables.values()):
        call = futures.get(variable.value.start_byte) if variable.value is not None else None
        if call is None or call.node != variable.value or variable.name.startswith("_"):
            continue
        if not variable.is_assigned and not body.scopes.reads[variable]:
            text = f"the future '{variable.name}' of ctx:{call.path[1]} is never used; its failure would go unnoticed"
            yield Finding(body.file, call.line, "warning", "future", text)
