"""`regex`: regular expressions in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from assay.errors import BuiltinError
from assay.lua.declare import Library
from assay.lua.values import Value, text_or_bytes

library = Library(
    "regex",
    """Regular expressions in the syntax of RE2: no pattern takes more than linear time for a match.

    There are no look-arounds and no back-references. `\\d`, `\\w` and `\\s` are ASCII; `\\pL` and such are Unicode.
    `(?i)`, `(?s)` and `(?m)` at the start of a pattern set options; `(?P<name>…)` and `(?<name>…)` name a group. When
    pattern or text is not UTF-8 text, both are taken as bytes.
    """,
)

# One match takes linear time, a search for all of them may take quadratic time.
_WORKFLOW_BYTES = 16 * 1024
_INNER = range(0x80, 0xC0)  # the bytes of a character in UTF-8 behind its first
_REFERENCE = re.compile(rb"\$(?:(\$)|([0-9]+)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z0-9_]+)\})")


@dataclass
class Found:
    """A match.

    Attributes:
        match: The text that was matched.
        groups: What each group of the pattern matched, in order; `json.null` for a group that took no part.
        named: What each named group matched, by its name.
        start: Where the match begins: the index of its first byte, as for `string.sub`.
        stop: The index of its last byte.
    """

    match: str | bytes
    groups: list[Value]
    named: dict[str, Value]
    start: int
    stop: int


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def match(text: bytes, pattern: bytes) -> bool:
    """Return true if a pattern is found anywhere in a text; `^` and `$` bind it to the ends.

    Args:
        text: Where to search.
        pattern: The regular expression.
    """
    return _compile(pattern, text).search(text) is not None


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def find(text: bytes, pattern: bytes) -> Found | None:
    """Return the first match, or nil.

    Args:
        text: Where to search.
        pattern: The regular expression.
    """
    found = _compile(pattern, text).search(text)
    if found is None:
        return None
    groups = [None if group is None else text_or_bytes(group) for group in found.groups()]
    named = {name.decode(): groups[index - 1] for name, index in found.re.groupindex.items()}
    start, stop = found.span()
    return Found(text_or_bytes(found.group()), groups, named, start + 1, stop)


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def find_all(text: bytes, pattern: bytes) -> list[str | bytes]:
    """Return an array of all matches, each as a whole.

    Args:
        text: Where to search.
        pattern: The regular expression.
    """
    return [text_or_bytes(found.group()) for found in _matches(_compile(pattern, text), text)]


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def replace(text: bytes, pattern: bytes, replacement: bytes) -> bytes:
    """Return the text with all matches replaced.

    Args:
        text: Where to search.
        pattern: The regular expression.
        replacement: What represents each match: `$1` or `${1}` is what the first group matched, `$0` the whole match,
            `$name` or `${name}` what a named group matched, `$$` a dollar sign.
    """
    compiled = _compile(pattern, text)
    parts = _template(replacement, compiled)
    out, position = [], 0
    for found in _matches(compiled, text):
        start, stop = found.span()
        out.append(text[position:start])
        out += [part if isinstance(part, bytes) else found.group(part) or b"" for part in parts]
        position = stop
    return b"".join([*out, text[position:]])


def _matches(compiled: Any, text: bytes) -> Iterator[Any]:
    """All matches, but no empty one that touches the match before it or lies within a character."""
    options, end = compiled.options, -1
    inner = _INNER if options.encoding == options.Encoding.UTF8 else ()
    for found in compiled.finditer(text):
        start, stop = found.span()
        if start == stop and (start == end or (start < len(text) and text[start] in inner)):
            continue
        end = stop
        yield found


def _compile(pattern: bytes, text: bytes) -> Any:
    is_text = isinstance(text_or_bytes(text), str) and isinstance(text_or_bytes(pattern), str)
    return _compiled(pattern, is_text)


@lru_cache(maxsize=256)
def _compiled(pattern: bytes, is_text: bool) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    if not is_text:
        options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        problem = error.args[0] if error.args else error
        raise BuiltinError(f"bad pattern: {problem.decode('utf-8', 'replace')}") from None


def _template(replacement: bytes, compiled: Any) -> list[bytes | int]:
    """Split a replacement into texts and numbers of groups."""
    parts: list[bytes | int] = []
    position = 0
    for reference in _REFERENCE.finditer(replacement):
        parts.append(replacement[position : reference.start()])
        position = reference.end()
        dollar, *names = reference.groups()
        name = next((name for name in names if name is not None), b"")
        if dollar:
            parts.append(b"$")
            continue
        number = int(name) if name.isdigit() else compiled.groupindex.get(name)
        if number is None or number > compiled.groups:
            raise BuiltinError(f"bad argument 'replacement' (the pattern has no group '{name.decode()}')")
        parts.append(number)
    return [*parts, replacement[position:]]
