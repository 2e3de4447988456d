"""Finds the placeholders of SQL statements."""

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
_COMMENT_DELIMITER = re.compile(r"/\*|\*/")


class Placeholder(NamedTuple):
    """A placeholder of a parameter.

    Attributes:
        start: Position of its first character.
        end: Position after its last character.
        parameter: Index of the parameter, from 0.
    """

    start: int
    end: int
    parameter: int


class Statement(NamedTuple):
    """A statement and its placeholders."""

    text: str
    placeholders: tuple[Placeholder, ...]

    @property
    def parameter_count(self) -> int:
        """Number of parameters."""
        return max((placeholder.parameter + 1 for placeholder in self.placeholders), default=0)

    def replace(self, replacements: list[str]) -> str:
        """Return the statement with each placeholder replaced."""
        parts, position = [], 0
        for placeholder, replacement in zip(self.placeholders, replacements, strict=True):
            parts += [self.text[position : placeholder.start], replacement]
            position = placeholder.end
        return "".join([*parts, self.text[position:]])


@lru_cache(maxsize=500)
def scan(text: str, dialect: Dialect) -> Statement:
    """Find the placeholders: `?` in order, or `$1` by number. In a statement with `$1`, `?` is an operator.

    Strings, quoted names, comments and words are skipped by the rules of the dialect.
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
    """Return the end of a comment that may contain nested comments, as in PostgreSQL."""
    depth = 1
    while depth:
        delimiter = _COMMENT_DELIMITER.search(text, position)
        if delimiter is None:
            return len(text)
        depth += 1 if delimiter[0] == "/*" else -1
        position = delimiter.end()
    return position
