"""Where a statement has placeholders."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

Dialect = Literal["sqlite", "postgres", "mysql"]

_COMMON = [r"--[^\n]*", r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*", r"\d[\w.]*"]
_SKIPPED: dict[Dialect, list[str]] = {
    "sqlite": [r"'(?:[^']|'')*'", r'"(?:[^"]|"")*"', r"`(?:[^`]|``)*`", r"\[[^\]]*\]", r"/\*.*?(?:\*/|$)", *_COMMON],
    "postgres": [
        r"[eE]'(?:[^'\\]|''|\\.)*'",
        r"'(?:[^']|'')*'",
        r'"(?:[^"]|"")*"',
        r"\$(?P<tag>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*|)\$.*?\$(?P=tag)\$",
        *_COMMON,
    ],
    "mysql": [
        r"'(?:[^'\\]|''|\\.)*'",
        r'"(?:[^"\\]|""|\\.)*"',
        r"`(?:[^`]|``)*`",
        r"/\*.*?(?:\*/|$)",
        r"--(?=\s|$)[^\n]*",
        r"#[^\n]*",
        *_COMMON[1:],
    ],
}
_TOKENS = {
    dialect: re.compile("|".join([*skipped, r"\$(?P<number>\d+)", r"(?P<mark>\?\??)", r"(?P<nested>/\*)"]), re.DOTALL)
    for dialect, skipped in _SKIPPED.items()
}
_COMMENT_ENDS = re.compile(r"/\*|\*/")


class Placeholder(NamedTuple):
    """A piece of a statement that represents a parameter, counted from 0."""

    start: int
    end: int
    position: int


class Statement(NamedTuple):
    """A statement and its placeholders."""

    text: str
    placeholders: tuple[Placeholder, ...]

    @property
    def wanted(self) -> int:
        """Return how many parameters it takes."""
        return max((placeholder.position + 1 for placeholder in self.placeholders), default=0)

    def pieces(self) -> list[str]:
        """Return what is before, between and behind the placeholders."""
        edges = [0, *(edge for item in self.placeholders for edge in item[:2]), len(self.text)]
        return [self.text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]


@lru_cache(maxsize=500)
def scan(text: str, dialect: Dialect) -> Statement:
    """Find the placeholders: `?` in order, or `$1` by number; where there are such, `?` is an operator.

    Strings, quoted names, comments and words are skipped as the dialect has them.
    """
    marks: list[Placeholder] = []
    numbered: list[Placeholder] = []
    position = 0
    while (token := _TOKENS[dialect].search(text, position)) is not None:
        position = token.end()
        if token["mark"] == "?":
            marks.append(Placeholder(token.start(), position, len(marks)))
        elif token["number"] is not None and token["number"] != "0":
            numbered.append(Placeholder(token.start(), position, int(token["number"]) - 1))
        elif token["nested"] is not None:
            position = _comment_end(text, position)
    return Statement(text, tuple(numbered or marks))


def _comment_end(text: str, position: int) -> int:
    """The end of a comment that may hold others, as PostgreSQL has them."""
    depth = 1
    while depth:
        edge = _COMMENT_ENDS.search(text, position)
        if edge is None:
            return len(text)
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return position
