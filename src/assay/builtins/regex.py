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
    """Regular expressions in RE2 syntax, which match in linear time.

    Lookarounds and backreferences are not supported. `\\d`, `\\w` and `\\s` match ASCII; `\\pL` and the like match
    Unicode. `(?i)`, `(?s)` and `(?m)` at the start of a pattern set options; `(?P<name>…)` and `(?<name>…)` name a
    group. If the pattern or the text is not valid UTF-8, both are treated as bytes.
    """,
)

# A single match takes linear time, but finding all matches may take quadratic time.
_WORKFLOW_BYTES = 16 * 1024
_CONTINUATION_BYTES = range(0x80, 0xC0)  # bytes of a UTF-8 character after the first
_REFERENCE = re.compile(rb"\$(?:(\$)|([0-9]+)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z0-9_]+)\})")


@dataclass
class Found:
    """A match.

    Attributes:
        match: The matched text.
        groups: The text of each group, in order; `json.null` for a group that did not participate.
        named: Group name → text.
        start: Index of the first byte, as in `string.sub`.
        stop: Index of the last byte.
    """

    match: str | bytes
    groups: list[Value]
    named: dict[str, Value]
    start: int
    stop: int


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def match(text: bytes, pattern: bytes) -> bool:
    """Return true if a pattern matches anywhere in a text; `^` and `$` anchor it.

    Args:
        text: The text to search.
        pattern: The regular expression.
    """
    return _compile(pattern, text).search(text) is not None


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def find(text: bytes, pattern: bytes) -> Found | None:
    """Return the first match, or nil.

    Args:
        text: The text to search.
        pattern: The regular expression.
    """
    result = _compile(pattern, text).search(text)
    if result is None:
        return None
    groups = [None if group is None else text_or_bytes(group) for group in result.groups()]
    named = {name.decode(): groups[index - 1] for name, index in result.re.groupindex.items()}
    start, stop = result.span()
    return Found(text_or_bytes(result.group()), groups, named, start + 1, stop)


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def find_all(text: bytes, pattern: bytes) -> list[str | bytes]:
    """Return an array with the text of all matches.

    Args:
        text: The text to search.
        pattern: The regular expression.
    """
    return [text_or_bytes(result.group()) for result in _matches(_compile(pattern, text), text)]


@library.function(pure=True, workflow_bytes=_WORKFLOW_BYTES)
def replace(text: bytes, pattern: bytes, replacement: bytes) -> bytes:
    """Return the text with all matches replaced.

    Args:
        text: The text to search.
        pattern: The regular expression.
        replacement: The replacement: `$1` or `${1}` inserts the first group, `$0` the whole match, `$name` or `${name}`
            a named group, `$$` a dollar sign.
    """
    compiled = _compile(pattern, text)
    parts = _template(replacement, compiled)
    out, position = [], 0
    for result in _matches(compiled, text):
        start, stop = result.span()
        out.append(text[position:start])
        out += [part if isinstance(part, bytes) else result.group(part) or b"" for part in parts]
        position = stop
    return b"".join([*out, text[position:]])


def _matches(compiled: Any, text: bytes) -> Iterator[Any]:
    """Yield all matches, except empty ones next to the previous match or within a UTF-8 character."""
    options, end = compiled.options, -1
    skipped = _CONTINUATION_BYTES if options.encoding == options.Encoding.UTF8 else ()
    for result in compiled.finditer(text):
        start, stop = result.span()
        if start == stop and (start == end or (start < len(text) and text[start] in skipped)):
            continue
        end = stop
        yield result


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
    """Split a replacement into literal text and group numbers."""
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
