"""What is wrong in the source of a workflow, of an activity, or of a function that one calls."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from assay.builtins import LIBRARIES
from assay.checking.options import bad_options, nearest
from assay.checking.tokens import Token, arguments, table_fields
from assay.lua.declare import Function, Library
from assay.temporal.workflow.context import Context
from assay.temporal.workflow.host import REPLACED

Kind = tuple[str, Any]
"""What a name stands for, as `inspect.lua` tells it: ("builtin", name), ("table", fields), ("foreign", what), …"""

ACTIVITY_CALLS = ("execute_activity", "start_activity", "execute_local_activity", "start_local_activity")
_CHILD_CALLS = ("execute_child_workflow", "start_child_workflow")
_FUTURES = ("start_activity", "start_local_activity", "start_child_workflow", "start_timer")
_INSTEAD = {
    "sleep": "use ctx:sleep",
    "os.exit": "return from the workflow function",
    "os.getenv": "the environment differs between machines: read it in an activity",
}
_THERE = ", in an activity"
_ABSENT = {
    "os.execute": "use shell or process" + _THERE,
    **dict.fromkeys(("io", "os.remove", "os.rename", "os.tmpname"), "use fs" + _THERE),
    **dict.fromkeys(("debug", "load", "loadfile", "dofile"), "use require for modules"),
}
"""What Lua has elsewhere, and no script here."""
_BEFORE_EXPRESSION = frozenset("=([{,;+-*/%^#<>&|~.:") | {
    *("return", "and", "or", "not", "in", "if", "elseif", "while", "until", "==", "~=", "<=", ">=", "..", "//"),
}


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: "error", or "warning" when it may be meant so."""

    file: str
    line: int
    level: str
    rule: str
    message: str


@dataclass(frozen=True)
class Names:
    """What the worker of a workflow registers; nothing where any name will do."""

    activities: set[str]
    workflows: set[str]


@dataclass(frozen=True)
class Body:
    """The source of a function, and what the names in it stand for that it does not declare itself.

    `context` is what it calls its `ctx`; `members` gives the names in a library, none for what is no library.
    """

    file: str
    tokens: Sequence[Token]
    captured: Mapping[str, Kind]
    global_kind: Callable[[str], Kind]
    has_module: Callable[[str], bool]
    members: Callable[[str], list[str]]
    context: str

    @property
    def declared(self) -> set[str]:
        """The names that are declared anywhere inside."""
        return set(_declared(self.tokens))

    def kind(self, name: str, declared: set[str]) -> Kind:
        """What a name stands for."""
        if name in declared:
            return ("local", None)
        return self.captured.get(name) or self.global_kind(name)

    def resolve(self, path: Sequence[str], declared: set[str]) -> Kind:
        """What a name with its fields stands for."""
        kind, value = self.kind(path[0], declared)
        for at, name in enumerate(path[1:], 1):
            if kind == "builtin":
                return kind, ".".join([value, *path[at:]])
            kind, value = value.get(name, ("plain", None)) if kind == "table" else ("plain", None)
        return kind, value


def parameters(tokens: Sequence[Token]) -> list[str]:
    """The names of a function's parameters; `tokens` begin with its name or with its parameters."""
    names: list[str] = []
    is_inside = False
    for token in tokens:
        if token.text == ")":
            break
        if is_inside and token.kind == "name":
            names.append(token.text)
        is_inside = is_inside or token.text == "("
    return names


def _declared(tokens: Sequence[Token]) -> Iterator[str]:
    for at, token in enumerate(tokens):
        if token.kind == "name" and token.text in ("local", "for", "global"):
            yield from _names_from(tokens, at + 1)
        elif (token.kind == "name" and token.text == "function") or at == 0:
            opening = next((i for i in range(at, min(at + 6, len(tokens))) if tokens[i].text == "("), None)
            if opening is not None:
                yield from _names_from(tokens, opening + 1)


def _names_from(tokens: Sequence[Token], at: int) -> Iterator[str]:
    while at < len(tokens) and (tokens[at].kind == "name" or tokens[at].text in ",<>"):
        if tokens[at].text in ("in", "do"):
            return
        if tokens[at].kind == "name":
            yield tokens[at].text
            if at + 1 < len(tokens) and tokens[at + 1].text not in ",<>":
                if tokens[at].text == "function":
                    at += 1
                    continue
                return
        at += 1


@cache
def _library(name: str) -> Library:
    found: Library = importlib.import_module(LIBRARIES[name][0]).library
    return found


@cache
def _methods() -> dict[str, Function]:
    library = Library("ctx", "")
    library.handle(Context)
    return {method.name: method for method in library.handles[0].methods}


@dataclass(frozen=True)
class LuaCall:
    """A call of a name: the name with its fields (`a.b:c` has three), and its arguments."""

    path: list[str]
    line: int
    is_method: bool
    arguments: list[list[Token]]


def calls(body: Body) -> Iterator[LuaCall]:
    """The calls of names."""
    tokens = body.tokens
    for at, token in enumerate(tokens):
        if token.kind != "name" or (at > 0 and tokens[at - 1].text in (".", ":", "function")):
            continue
        path, after = _dotted(tokens, at)
        if after < len(tokens) and _opens_call(tokens[after]):
            yield LuaCall(path, token.line, tokens[after - 2].text == ":", arguments(tokens, after))


def _dotted(tokens: Sequence[Token], at: int) -> tuple[list[str], int]:
    """The name at `at` with its fields, and the index behind it."""
    path = [tokens[at].text]
    at += 1
    while at + 1 < len(tokens) and tokens[at].text in (".", ":") and tokens[at + 1].kind == "name":
        path.append(tokens[at + 1].text)
        at += 2
    return path, at


def _opens_call(token: Token) -> bool:
    return token.kind == "string" or (token.kind == "sign" and token.text in "({")


def find_io(body: Body) -> Iterator[Finding]:
    """Calls of builtins that a workflow refuses."""
    declared = body.declared
    for call in calls(body):
        kind, title = body.resolve(call.path, declared)
        if (
            kind == "builtin"
            and title in ("pcall", "xpcall")
            and call.arguments
            and call.arguments[0][0].kind == "name"
        ):
            path, after = _dotted(call.arguments[0], 0)
            if after == len(call.arguments[0]):
                kind, title = body.resolve(path, declared)
        if kind != "builtin":
            continue
        advice = _refusal(title)
        if advice:
            yield Finding(body.file, call.line, "error", "io", f"{title} is not for workflows: {advice}")


def find_absent(body: Body, *, in_workflow: bool) -> Iterator[Finding]:
    """Calls of what Lua has elsewhere and the sandbox has not, and of functions that a library does not have."""
    declared = body.declared
    for call in calls(body):
        kind, title = body.resolve(call.path, declared)
        name, advice = title, None
        if kind == "builtin":
            advice = _ABSENT.get(title)
        elif body.kind(call.path[0], declared)[0] == "plain":  # as is what nobody has made
            name, advice = ".".join(call.path), _ABSENT.get(call.path[0])
        if advice:
            advice = advice if in_workflow else advice.removesuffix(_THERE)
            yield Finding(body.file, call.line, "error", "absent", f"{name} does not exist here: {advice}")
        elif kind == "builtin" and title.count(".") == 1:
            library, field = title.split(".")
            known = body.members(library)
            if known and field not in known:
                text = f"{library} has no function '{field}'" + nearest(field, known)
                yield Finding(body.file, call.line, "error", "absent", text)


def find_modules(body: Body) -> Iterator[Finding]:
    """Modules that a workflow requires too late: it finds only what was loaded when its worker was made."""
    for call in calls(body):
        literal = _literal(call.arguments)
        if call.path == ["require"] and literal is not None and not body.has_module(literal):
            text = f"module '{literal}' is not loaded when the worker is made: require it outside of the workflow"
            yield Finding(body.file, call.line, "error", "module", text)


def _literal(given: Sequence[Sequence[Token]]) -> str | None:
    """The first of some arguments, if it is a string."""
    return given[0][0].text if given and len(given[0]) == 1 and given[0][0].kind == "string" else None


def _refusal(title: str) -> str | None:
    global_name, _, field = title.partition(".")
    if global_name not in LIBRARIES:
        return None
    library = _library(global_name)
    functions = [function for function in library.functions if function.name == field]
    if not field and library.entry is not None:
        functions = [library.entry]
    if not functions or functions[0].pure or title in REPLACED or title.startswith("log."):
        return None
    return _INSTEAD.get(title, "use an activity")


def find_foreign(body: Body) -> Iterator[Finding]:
    """Uses of values that cannot come along into a workflow."""
    declared = body.declared
    told = set()
    for at, token in enumerate(body.tokens):
        before = body.tokens[at - 1].text if at else ""
        after = body.tokens[at + 1].text if at + 1 < len(body.tokens) else ""
        if token.kind != "name" or before in (".", ":") or (before in ("{", ",") and after == "="):
            continue
        kind, what = body.kind(token.text, declared)
        name = token.text
        if kind == "table" and after == "." and isinstance(what, dict):
            name = f"{name}.{body.tokens[at + 2].text}"
            kind, what = what.get(body.tokens[at + 2].text, ("plain", None))
        if kind == "foreign" and name not in told:
            told.add(name)
            text = f"'{name}' is {what} and stays outside of workflows: use it in an activity"
            yield Finding(body.file, token.line, "error", "captured", text)


def context_calls(body: Body) -> Iterator[tuple[Token, list[list[Token]], Token | None]]:
    """Calls of `ctx`: the method, its arguments, and the token before the call."""
    tokens = body.tokens
    for at in range(len(tokens) - 3):
        if (
            tokens[at].text == body.context
            and tokens[at].kind == "name"
            and tokens[at + 1].text == ":"
            and _opens_call(tokens[at + 3])
        ):
            yield tokens[at + 2], arguments(tokens, at + 3), tokens[at - 1] if at else None


def find_dot_calls(body: Body) -> Iterator[Finding]:
    """Methods of `ctx` that are called with a dot, and without their `ctx`."""
    for call in calls(body):
        is_context = len(call.path) == 2 and call.path[0] == body.context and call.path[1] in _methods()
        has_self = bool(call.arguments) and [token.text for token in call.arguments[0]] == [body.context]
        if is_context and not call.is_method and not has_self:
            right, wrong = ":".join(call.path), ".".join(call.path)
            yield Finding(body.file, call.line, "error", "method", f"{wrong} is a method: write {right}(…)")


def find_bad_calls(body: Body, names: Names) -> Iterator[Finding]:
    """Methods, options, activities and children that do not exist; futures that nobody keeps."""
    for method, given, before in context_calls(body):
        function = _methods().get(method.text)
        if function is None:
            text = f"ctx has no method '{method.text}'" + nearest(method.text, _methods())
            yield Finding(body.file, method.line, "error", "method", text)
            continue
        for line, text in bad_options(function, given):
            yield Finding(body.file, line, "error", "option", text)
        options = table_fields(given[2]) if len(given) > 2 else []
        elsewhere = options is None or any(key.text == "task_queue" for key, _ in options)
        literal = _literal(given)
        for rule, methods, known in (
            ("activity", ACTIVITY_CALLS, names.activities),
            ("workflow", _CHILD_CALLS, names.workflows),
        ):
            is_checked = method.text in methods and bool(known) and not elsewhere
            if is_checked and literal is not None and literal not in known:
                text = f"no {rule} '{literal}' is registered" + nearest(literal, known)
                yield Finding(body.file, method.line, "error", rule, text)
        if method.text in _FUTURES and before is not None and before.text not in _BEFORE_EXPRESSION:
            text = f"nobody keeps the future of ctx:{method.text}: its failure is never seen"
            yield Finding(body.file, method.line, "warning", "future", text)


def find_unused_futures(body: Body) -> Iterator[Finding]:
    """Futures in a variable that nothing else names; `_` says that this is meant so."""
    tokens = body.tokens
    for at in range(len(tokens) - 5):
        texts = [token.text for token in tokens[at : at + 6]]
        if texts[0] != "local" or texts[2:5] != ["=", body.context, ":"] or texts[5] not in _FUTURES:
            continue
        name = texts[1]
        is_named = sum(token.kind == "name" and token.text == name for token in tokens) > 1
        if not is_named and not name.startswith("_"):
            text = f"the future '{name}' of ctx:{texts[5]} is never used: its failure is never seen"
            yield Finding(body.file, tokens[at].line, "warning", "future", text)
