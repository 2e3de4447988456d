"""Tokenizer for Lua source, including source that does not parse."""

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
    """A token.

    Attributes:
        kind: "name" (including keywords), "string", "number" or "sign".
        text: Source of the token; a string without its quotes.
        line: Line in which it begins.
        at: Position in the source, in bytes.
    """

    kind: str
    text: str
    line: int
    at: int


def tokenize(source: bytes) -> list[Token]:
    """Return the tokens of a source."""
    if source.startswith(b"#"):
        source = b"--" + source
    tokens, line = [], 1
    for match in _TOKEN.finditer(source):
        kind = match.lastgroup if match.lastgroup not in ("c", "l") else None
        raw = match.group()
        kind = kind or ("comment" if raw.startswith(b"--") else "long")
        if kind not in ("space", "comment"):
            text = raw.decode("utf-8", "replace")
            if kind == "string":
                text = text[1:-1]
            elif kind == "long":
                kind, text = "string", text.strip("[]=")
            tokens.append(Token(kind, text, line, match.start()))
        line += raw.count(b"\n")
    return tokens


def end_of_block(tokens: Sequence[Token], start: int) -> int | None:
    """Return the index of the token that ends the block begun at `start`, if any."""
    depth = 0
    for at in range(start, len(tokens)):
        token = tokens[at]
        depth += _block_step(token)
        if depth == 0:
            return at
    return None


def _block_step(token: Token) -> int:
    """Return the change of block depth at a token; `elseif` closes a block that its `then` opens again."""
    if token.kind != "name":
        return 0
    return (token.text in _BEGINS) - (token.text in _ENDS)
