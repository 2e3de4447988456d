"""Hints for syntax errors: Lua reports where parsing failed, this module the misspelled keyword."""

from __future__ import annotations

import difflib

from assay.checking.tokens import Token, tokenize

_LUA_KEYWORDS = """
    and break do else elseif end false for function global goto if in local nil not or repeat return then true until
    while
"""
KEYWORDS = frozenset(_LUA_KEYWORDS.split())
_FOREIGN_KEYWORDS = {"elif": "elseif", "elsif": "elseif", "def": "function", "func": "function", "var": "local"}
"""Keywords of other languages."""
_OPERATORS = {
    "=": "did you mean '=='?",
    "!": "Lua writes '~=' for not equal, and 'not'",
    "&": "Lua writes 'and'",
    "|": "Lua writes 'or'",
}
"""Hints by the token that Lua reports."""
_BEFORE_NAME = frozenset("=([{,;+-*/%^#<>&|~.:") | {
    *("..", "//", "==", "~=", "<=", ">=", "<<", ">>"),
    *("and", "elseif", "for", "function", "goto", "if", "in", "local", "not", "or", "return", "until", "while"),
}
_AFTER_NAME = frozenset("=.:([{,)]}")
_CUTOFF = 0.7
_MIN_LENGTH = 3  # of a word to compare


def misspelled(word: str) -> str | None:
    """Return the keyword that a word probably means."""
    if word in KEYWORDS:
        return None
    if word in _FOREIGN_KEYWORDS:
        return _FOREIGN_KEYWORDS[word]
    swapped = next((known for known in KEYWORDS if sorted(known) == sorted(word)), None)
    near = difflib.get_close_matches(word.lower(), KEYWORDS, 1, _CUTOFF) if len(word) >= _MIN_LENGTH else []
    return swapped or (near[0] if near else None)


def hint(source: bytes, line: int, message: str) -> tuple[int, str] | None:
    """Return the line and the description of the mistake behind a syntax error, if found.

    Lua may report a misspelled keyword much later, so this is the last one before the error.
    """
    for near, text in _OPERATORS.items():
        if message.endswith(f"near '{near}'"):
            return line, text
    tokens = tokenize(source)
    for at in range(len(tokens) - 1, -1, -1):
        token = tokens[at]
        word = misspelled(token.text) if token.kind == "name" and token.line <= line else None
        if word is not None and _is_out_of_place(tokens, at, word):
            return token.line, f"did you mean the keyword '{word}' instead of '{token.text}'?"
    return None


def _is_out_of_place(tokens: list[Token], at: int, word: str) -> bool:
    """Return true if a name is where no variable can be: outside an expression, and neither called nor assigned."""
    before = tokens[at - 1] if at else None
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    if before is not None and before.text in _BEFORE_NAME:
        return before.text in ("local", "=", "(", ",", "return") and word == "function"
    if after is not None and after.text in _AFTER_NAME:
        return after.text in ("(", "{") and word in ("function", "if", "return", "until", "while")
    return True
