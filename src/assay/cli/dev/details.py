"""Converts the current details of a workflow from Markdown to plain text."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.token import Token

_SEPARATOR = " · "  # between paragraphs, items and rows
_MAX_LENGTH = 10_000  # characters of Markdown


@functools.lru_cache(maxsize=256)
def as_text(markdown: str) -> str:
    """Return the text of Markdown in one line."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown[:_MAX_LENGTH])
    return _SEPARATOR.join(filter(None, (" ".join(block.split()) for block in _blocks(tokens))))


def _blocks(tokens: Iterable[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "inline":
            yield "".join(_inline(token.children or ()))
        elif token.type in ("fence", "code_block"):
            yield token.content


def _inline(tokens: Iterable[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in ("text", "code_inline", "image"):
            yield token.content
        elif token.type in ("softbreak", "hardbreak"):
            yield " "
