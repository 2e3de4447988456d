"""Names that mean nothing, and calls that cannot work, wherever they are in a script."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from assay.checking import syntax
from assay.checking.body import Body, Call
from assay.checking.findings import Finding, nearest, suggestion
from assay.checking.keywords import misspelled
from assay.checking.methods import CLIENT_METHODS, METHODS, library
from assay.libraries import LIBRARIES

_THERE = ", in an activity"
_ABSENT = {
    "os.execute": "use shell or process" + _THERE,
    **dict.fromkeys(("io", "os.remove", "os.rename", "os.tmpname"), "use fs" + _THERE),
    **dict.fromkeys(("debug", "load", "loadfile", "loadstring", "dofile"), "use require for modules"),
    "math.pow": "use ^",
    "table.getn": "use #",
    "unpack": "use table.unpack",
}
"""Lua's own functions that no script has, and those of older versions."""
_SET_LATER = {"_SERVER_PORT", "arg"}
_CUTOFF = 0.7  # globals are many and short, so that some are like any name
_HINTS = {
    "ctx": "a workflow gets it as its first argument",
    "self": "only a function that is declared with a colon has it",
    "True": "did you mean true?",
    "False": "did you mean false?",
    **dict.fromkeys(("None", "null", "NULL", "undefined"), "did you mean nil?"),
}
"""Words of other languages, and what no name is like."""


def find_undefined(body: Body) -> Iterator[Finding]:
    """Reads of globals that nothing defines. One that may be nil without harm is left alone."""
    if any(_is_whole_environment(use.node) for use in body.scopes.globals):
        return
    known = body.globals.names() | _SET_LATER
    for use in body.scopes.globals:
        name = syntax.text_of(use.node)
        if not body.node.start_byte <= use.node.start_byte < body.node.end_byte or name in known or use.is_guarded:
            continue
        if name in _ABSENT:
            continue  # which find_absent explains
        is_used = _is_used(use.node)
        level = "error" if is_used else "warning"
        text = f"'{name}' is not defined" + _meant(name, known)
        yield Finding(body.file, syntax.line_of(use.node), level, "undefined", text)


def _is_whole_environment(node: Node) -> bool:
    """Return true if it is the table of all globals, but for a field of it: anything may be done to that."""
    name, parent = syntax.text_of(node), node.parent
    is_field = parent is not None and parent.type == "dot_index_expression"
    return name == "_ENV" or (name == "_G" and not is_field)


def _is_used(node: Node) -> bool:
    """Return true if a nil in place of a variable raises an error: it is called, or has a field."""
    parent = node.parent
    called = ("function_call", "dot_index_expression", "bracket_index_expression", "method_index_expression")
    first = None if parent is None else parent.child_by_field_name("name") or parent.child_by_field_name("table")
    return parent is not None and parent.type in called and first == node


def _meant(name: str, known: set[str]) -> str:
    if name in _HINTS:
        return f" ({_HINTS[name]})"
    if name in METHODS:
        return f" (it is a method of ctx: ctx:{name}(…))"
    word = misspelled(name)
    if word is not None and nearest(name, known, _CUTOFF) is None:
        return f" (did you mean the keyword '{word}'?)"
    return suggestion(name, known, _CUTOFF)


def find_absent(body: Body, *, in_workflow: bool) -> Iterator[Finding]:
    """Calls of what Lua has elsewhere and the sandbox has not, and of functions that a library does not have."""
    for call in body.calls:
        kind, title = body.resolve(call.names)
        text = None
        if kind == "builtin":
            owner, _, field = title.partition(".")
            known = body.globals.members(owner) if field and "." not in field else []
            if title in _ABSENT and field not in known:
                text = _not_here(title, _ABSENT[title], in_workflow)
            elif known and field not in known:
                text = f"{owner} has no function '{field}'" + suggestion(field, known)
        elif call.path[0] in _ABSENT and body.kind(call.names[0])[0] == "absent":
            text = _not_here(_name_of(call), _ABSENT[call.path[0]], in_workflow)
        if text is not None:
            yield Finding(body.file, call.line, "error", "absent", text)


def _not_here(name: str, advice: str, in_workflow: bool) -> str:
    return f"{name} does not exist here: {advice if in_workflow else advice.removesuffix(_THERE)}"


def _name_of(call: Call) -> str:
    return ".".join(call.path)


def find_early_calls(body: Body) -> Iterator[Finding]:
    """Calls in place of a function in `pcall(f(x))`: an error of theirs is not caught."""
    calls = {call.node.id: call for call in body.calls}
    for call in body.calls:
        inner = calls.get(call.arguments[0].id) if call.arguments else None
        if inner is None or body.resolve(call.names) not in (("builtin", "pcall"), ("builtin", "xpcall")):
            continue
        function = _function_of(body, inner)
        if function is not None:
            owner, name = call.path[-1], syntax.text_of(inner.node.child_by_field_name("name") or inner.node)
            handler = ", handler" if owner == "xpcall" else ""
            subject = f", {function.rpartition('.')[0]}" if inner.is_method else ""
            right = f"{owner}({function}{handler}{subject}{', …' if inner.arguments else ''})"
            text = f"{owner} gets the result of {name}, whose errors it cannot catch: write {right}"
            yield Finding(body.file, call.line, "error", "pcall", text)


def _function_of(body: Body, call: Call) -> str | None:
    """The function that a call calls, if it is one that returns no function: a builtin, or a method of a handle."""
    if call.is_method:
        is_context = call.path[0] == body.context and call.path[1] in METHODS
        return _name_of(call) if is_context or call.path[-1] in CLIENT_METHODS else None
    kind, title = body.resolve(call.names)
    owner, _, field = title.partition(".") if kind == "builtin" else ("", "", "")
    is_ours = owner in LIBRARIES and any(item.name == (field or owner) for item in library(owner).functions)
    return _name_of(call) if is_ours else None
