"""Lua source as tokens with their lines, also of source that does not parse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

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
_BEGINS = frozenset({"function", "do", "then", "repeat"})
_ENDS = frozenset({"end", "until", "elseif"})


@dataclass(frozen=True)
class Token:
    """`kind` is "name" (keywords too), "string", "number" or "sign"; the text of a string is what it represents.

    `at` is where it begins in the source, in bytes.
    """

    kind: str
    text: str
    line: int
    at: int


def tokenize(source: bytes) -> list[Token]:
    """The tokens of a source text."""
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
    """Return how a token changes the depth of blocks; what follows `elseif` ends with a `then` of its own."""
    if token.kind != "name":
        return 0
    return (token.text in _BEGINS) - (token.text in _ENDS)
