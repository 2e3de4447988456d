"""What is wrong in the source of a workflow function or of one that it calls."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from assay.builtins import LIBRARIES
from assay.checking.tokens import Token, arguments, table_keys
from assay.lua.declare import Function, Library
from assay.temporal.workflow.context import Context
from assay.temporal.workflow.host import REPLACED

Kind = tuple[str, Any]
"""What a name stands for, as `inspect.lua` tells it: ("builtin", name), ("table", fields), ("foreign", what), …"""

ACTIVITY_CALLS = ("execute_activity", "start_activity", "execute_local_activity", "start_local_activity")
_FUTURES = ("start_activity", "start_local_activity", "start_child_workflow", "start_timer")
_INSTEAD = {"sleep": "use ctx:sleep", "os.exit": "return from the workflow function"}
_LUAS = {"os.getenv": "the environment differs between machines: read it in an activity"}
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
class Body:
    """The source of a function, and what the names in it stand for that it does not declare itself."""

    file: str
    tokens: Sequence[Token]
    captured: Mapping[str, Kind]
    global_kind: Callable[[str], Kind]
    is_workflow: bool

    @property
    def declared(self) -> set[str]:
        """The names that are declared anywhere inside."""
        return set(_declared(self.tokens))

    @property
    def context(self) -> str:
        """What the function calls its `ctx`."""
        first = self.tokens[1] if self.is_workflow and len(self.tokens) > 1 else None
        return first.text if first is not None and first.kind == "name" else "ctx"

    def kind(self, name: str, declared: set[str]) -> Kind:
        """What a name stands for."""
        if name in declared:
            return ("local", None)
        return self.captured.get(name) or self.global_kind(name)


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


def calls(body: Body) -> Iterator[tuple[int, str]]:
    """The names that are called: the index of their first token, and the name with its field ("http.get")."""
    tokens = body.tokens
    for at, token in enumerate(tokens):
        if token.kind != "name" or at + 1 >= len(tokens) or (at > 0 and tokens[at - 1].text in (".", ":", "function")):
            continue
        after = tokens[at + 1]
        if _opens_call(after):
            yield at, token.text
        elif after.text == "." and at + 3 < len(tokens) and _opens_call(tokens[at + 3]):
            yield at, f"{token.text}.{tokens[at + 2].text}"


def _opens_call(token: Token) -> bool:
    return token.kind == "string" or (token.kind == "sign" and token.text in "({")


def find_io(body: Body) -> Iterator[Finding]:
    """Calls of builtins that a workflow refuses."""
    declared = body.declared
    for at, name in calls(body):
        first, _, field = name.partition(".")
        kind, builtin = body.kind(first, declared)
        if kind != "builtin":
            continue
        title = f"{builtin}.{field}" if field else str(builtin)
        advice = _LUAS.get(title) or _refusal(title)
        if advice:
            yield Finding(body.file, body.tokens[at].line, "error", "io", f"{title} is not for workflows: {advice}")


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


def find_bad_calls(body: Body, activities: set[str]) -> Iterator[Finding]:
    """Methods, options and activities that do not exist; futures that nobody keeps."""
    for method, given, before in context_calls(body):
        function = _methods().get(method.text)
        if function is None:
            text = f"ctx has no method '{method.text}'" + _nearest(method.text, _methods())
            yield Finding(body.file, method.line, "error", "method", text)
            continue
        yield from _bad_options(body.file, function, given)
        options = table_keys(given[2]) if len(given) > 2 else []
        elsewhere = options is None or any(key.text == "task_queue" for key in options)
        literal = given[0][0].text if given and len(given[0]) == 1 and given[0][0].kind == "string" else None
        is_checked = method.text in ACTIVITY_CALLS and bool(activities) and not elsewhere
        if is_checked and literal is not None and literal not in activities:
            text = f"no activity '{literal}' is registered" + _nearest(literal, activities)
            yield Finding(body.file, method.line, "error", "activity", text)
        if method.text in _FUTURES and before is not None and before.text not in _BEFORE_EXPRESSION:
            text = f"nobody keeps the future of ctx:{method.text}: its failure is never seen"
            yield Finding(body.file, method.line, "warning", "future", text)


def _bad_options(file: str, function: Function, given: Sequence[Sequence[Token]]) -> Iterator[Finding]:
    parameters = [item for item in function.parameters if item.name != "self"]
    for parameter, tokens in zip(parameters, given, strict=False):
        if not (dataclasses.is_dataclass(parameter.hint) and isinstance(parameter.hint, type)):
            continue
        known = {field.name for field in dataclasses.fields(parameter.hint)}
        for key in table_keys(tokens) or []:
            if key.text not in known:
                text = f"{function.title} has no option '{key.text}'" + _nearest(key.text, known)
                yield Finding(file, key.line, "error", "option", text)


def _nearest(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, sorted(known), 1)
    return f" (did you mean '{near[0]}'?)" if near else ""
