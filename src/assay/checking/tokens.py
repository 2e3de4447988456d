"""Lua source as tokens with their lines: enough to find calls, no more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    rb"""
    (?P<space>\s+)
  | (?P<comment>--\[(?P<c>=*)\[(?s:.*?)\](?P=c)\]|--[^\n]*)
  | (?P<long>\[(?P<l>=*)\[(?s:.*?)\](?P=l)\])
  | (?P<string>"(?:\\(?:\r\n|(?s:.))|[^"\\\n])*"|'(?:\\(?:\r\n|(?s:.))|[^'\\\n])*')
  | (?P<name>[A-Za-z_]\w*)
  | (?P<number>0[xX][\da-fA-F.]+(?:[pP][+-]?\d+)?|\d[\d.]*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
  | (?P<sign>\.\.\.|\.\.|::|//|<<|>>|[=~<>]=|.)
    """,
    re.VERBOSE,
)
_OPENS, _CLOSES = frozenset("([{"), frozenset(")]}")
_BEGINS = frozenset({"function", "do", "then", "repeat"})
_ENDS = frozenset({"end", "until", "elseif"})
UNKNOWN = object()
"""The value of what is no constant."""


@dataclass(frozen=True)
class Token:
    """`kind` is "name" (keywords too), "string", "number" or "sign"; the text of a string is what it stands for.

    `at` is where it begins in the source, in bytes.
    """

    kind: str
    text: str
    line: int
    at: int


def tokenize(source: bytes) -> list[Token]:
    """The tokens of a source text that Lua has compiled."""
    if source.startswith(b"#"):
        source = b"--" + source
    tokens, line = [], 1
    for found in _TOKEN.finditer(source):
        kind = found.lastgroup if found.lastgroup not in ("c", "l") else None
        raw = found.group()
        kind = kind or ("comment" if raw.startswith(b"--") else "long")
        if kind not in ("space", "comment"):
            text = raw.decode("utf-8", "replace")
            if kind == "string":
                text = text[1:-1]
            elif kind == "long":
                kind, text = "string", text.strip("[]=")
            tokens.append(Token(kind, text, line, found.start()))
        line += raw.count(b"\n")
    return tokens


def function_body(tokens: Sequence[Token], first_line: int, last_line: int) -> list[Token] | None:
    """The tokens of the function between two lines, from its parameters to its `end`; None unless there is just one."""
    bodies = []
    for start, token in enumerate(tokens):
        if token.line == first_line and token.kind == "name" and token.text == "function":
            end = end_of_block(tokens, start)
            if end is not None and tokens[end].line == last_line:
                bodies.append(list(tokens[start + 1 : end + 1]))
    return bodies[0] if len(bodies) == 1 else None


def end_of_block(tokens: Sequence[Token], start: int) -> int | None:
    """The index of the token that ends the block which the token at `start` begins; None when none does."""
    depth = 0
    for at in range(start, len(tokens)):
        token = tokens[at]
        depth += _block_step(token)
        if depth == 0:
            return at
    return None


def _block_step(token: Token) -> int:
    """How a token changes the depth of blocks; what follows `elseif` ends with a `then` of its own."""
    if token.kind != "name":
        return 0
    return (token.text in _BEGINS) - (token.text in _ENDS)


def arguments(tokens: Sequence[Token], opening: int) -> list[list[Token]]:
    """The arguments of a call, each as its tokens. At `opening` is its "(", or its only argument: a "{" or a string."""
    if tokens[opening].kind == "string":
        return [[tokens[opening]]]
    group = _group(tokens, opening)
    if tokens[opening].text == "{":
        return [group]
    return _split(group[1:-1]) if len(group) > 2 else []


def _group(tokens: Sequence[Token], opening: int) -> list[Token]:
    depth = 0
    for at in range(opening, len(tokens)):
        if tokens[at].kind == "sign":
            depth += (tokens[at].text in _OPENS) - (tokens[at].text in _CLOSES)
            if depth == 0:
                return list(tokens[opening : at + 1])
    return list(tokens[opening:])


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "sign":
            depth += (token.text in _OPENS) - (token.text in _CLOSES)
        depth += _block_step(token)
        if depth == 0 and token.kind == "sign" and token.text in ",;":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def table_fields(tokens: Sequence[Token]) -> list[tuple[Token, list[Token]]] | None:
    """The names before "=" in a table constructor, with their values; None when `tokens` are no table constructor."""
    parts = _table_parts(tokens)
    return None if parts is None else [(part[0], part[2:]) for part in parts if _is_named(part)]


def _table_parts(tokens: Sequence[Token]) -> list[list[Token]] | None:
    if len(tokens) < 2 or tokens[0].text != "{" or tokens[-1].text != "}" or len(_group(tokens, 0)) != len(tokens):
        return None
    return [part for part in _split(tokens[1:-1]) if part]


def _is_named(part: Sequence[Token]) -> bool:
    return len(part) > 1 and part[0].kind == "name" and part[1].text == "="


def constant(tokens: Sequence[Token]) -> Any:
    """The value that some tokens stand for wherever they stand: a boolean, a number, a text or a table of such ones."""
    parts = _table_parts(tokens)
    if parts is not None:
        names = [part[0].text for part in parts if _is_named(part)]
        values = [constant(part[2:] if names else part) for part in parts]
        if UNKNOWN in values or len(names) not in (0, len(parts)):
            return UNKNOWN
        return dict(zip(names, values, strict=True)) if names or not parts else values
    if len(tokens) == 2 and tokens[0].text == "-" and tokens[1].kind == "number":
        value = _number(tokens[1].text)
        return value if value is UNKNOWN else -value
    if len(tokens) != 1 or "\\" in tokens[0].text:
        return UNKNOWN
    match tokens[0].kind:
        case "string":
            return tokens[0].text
        case "number":
            return _number(tokens[0].text)
    return {"true": True, "false": False}.get(tokens[0].text, UNKNOWN)


def _number(text: str) -> Any:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            pass
    return UNKNOWN
