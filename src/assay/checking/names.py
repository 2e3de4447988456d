"""Rules for all code of a script: undefined names, absent functions, misuse of pcall."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from assay.checking import syntax
from assay.checking.body import Body, Call
from assay.checking.findings import Finding, nearest, suggestion
from assay.checking.keywords import misspelled
from assay.checking.methods import METHODS, library
from assay.libraries import LIBRARIES
from assay.temporal.library import CLIENT_METHODS

_IN_ACTIVITY = ", in an activity"
_ABSENT = {
    "os.execute": "use shell or process" + _IN_ACTIVITY,
    **dict.fromkeys(("io", "os.remove", "os.rename", "os.tmpname"), "use fs" + _IN_ACTIVITY),
    **dict.fromkeys(("debug", "load", "loadfile", "loadstring", "dofile"), "use require for modules"),
    "math.pow": "use ^",
    "table.getn": "use #",
    "unpack": "use table.unpack",
}
"""Standard Lua functions that scripts do not have, and those of older versions."""
_SET_LATER = {"_SERVER_PORT", "arg"}
_CUTOFF = 0.7  # stricter than the default: globals are many and short, so similar names are common
_HINTS = {
    "ctx": "it is the first parameter of a workflow",
    "self": "only functions declared with a colon have it",
    "True": "did you mean true?",
    "False": "did you mean false?",
    **dict.fromkeys(("None", "null", "NULL", "undefined"), "did you mean nil?"),
}
"""Hints for words of other languages, and for names without similar globals."""


def find_undefined(body: Body) -> Iterator[Finding]:
    """Find reads of undefined globals, except where nil is expected."""
    if any(_is_whole_environment(use.node) for use in body.scopes.globals):
        return
    known = body.globals.names() | _SET_LATER
    for use in body.scopes.globals:
        name = syntax.text_of(use.node)
        if not body.node.start_byte <= use.node.start_byte < body.node.end_byte or name in known or use.is_guarded:
            continue
        if name in _ABSENT:
            continue  # reported by find_absent
        is_used = _is_used(use.node)
        level = "error" if is_used else "warning"
        text = f"'{name}' is not defined" + _hint(name, known)
        yield Finding(body.file, syntax.line_of(use.node), level, "undefined", text)


def _is_whole_environment(node: Node) -> bool:
    """Return true if a node is the whole table of globals, through which any global may be set."""
    name, parent = syntax.text_of(node), node.parent
    is_field = parent is not None and parent.type == "dot_index_expression"
    return name == "_ENV" or (name == "_G" and not is_field)


def _is_used(node: Node) -> bool:
    """Return true if a nil value would raise an error: the variable is called or indexed."""
    parent = node.parent
    called = ("function_call", "dot_index_expression", "bracket_index_expression", "method_index_expression")
    first = None if parent is None else parent.child_by_field_name("name") or parent.child_by_field_name("table")
    return parent is not None and parent.type in called and first == node


def _hint(name: str, known: set[str]) -> str:
    if name in _HINTS:
        return f" ({_HINTS[name]})"
    if name in METHODS:
        return f" (it is a method of ctx: ctx:{name}(…))"
    word = misspelled(name)
    if word is not None and nearest(name, known, _CUTOFF) is None:
        return f" (did you mean the keyword '{word}'?)"
    return suggestion(name, known, _CUTOFF)


def find_absent(body: Body, *, in_workflow: bool) -> Iterator[Finding]:
    """Find calls of standard Lua functions that are not available, and of functions that a library does not have."""
    for call in body.calls:
        kind, title = body.resolve(call.names)
        text = None
        if kind == "builtin":
            owner, _, field = title.partition(".")
            known = body.globals.members(owner) if field and "." not in field else []
            if title in _ABSENT and field not in known:
                text = _not_available(title, _ABSENT[title], in_workflow)
            elif known and field not in known:
                text = f"{owner} has no function '{field}'" + suggestion(field, known)
        elif call.path[0] in _ABSENT and body.kind(call.names[0])[0] == "absent":
            text = _not_available(_name_of(call), _ABSENT[call.path[0]], in_workflow)
        if text is not None:
            yield Finding(body.file, call.line, "error", "absent", text)


def _not_available(name: str, advice: str, in_workflow: bool) -> str:
    return f"{name} is not available: {advice if in_workflow else advice.removesuffix(_IN_ACTIVITY)}"


def _name_of(call: Call) -> str:
    return ".".join(call.path)


def find_early_calls(body: Body) -> Iterator[Finding]:
    """Find calls like `pcall(f(x))`, where pcall does not catch the errors of `f`."""
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
            text = f"{owner} receives the result of {name} and cannot catch its errors: write {right}"
            yield Finding(body.file, call.line, "error", "pcall", text)


def _function_of(body: Body, call: Call) -> str | None:
    """Return the name of the called function if it never returns a function: a builtin, or a method of a handle."""
    if call.is_method:
        is_context = call.path[0] == body.context and call.path[1] in METHODS
        return _name_of(call) if is_context or call.path[-1] in CLIENT_METHODS else None
    kind, title = body.resolve(call.names)
    owner, _, field = title.partition(".") if kind == "builtin" else ("", "", "")
    is_builtin = owner in LIBRARIES and any(item.name == (field or owner) for item in library(owner).functions)
    return _name_of(call) if is_builtin else None
