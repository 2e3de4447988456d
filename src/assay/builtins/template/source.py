"""Checks the source of a template before minijinja parses it.

minijinja is native code that recurses over nested sources and values, so that deep nesting crashes the process. Its own
limits do not cover chains of operators and of `elif`, nor values that contain themselves. Only an assignment to an
attribute of a namespace can create such a value, so these assignments are rewritten to assign a copy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from assay.errors import BuiltinError

MAX_DEPTH = 500
"""Maximum depth of an expression: nested operators, filters, attributes, calls and brackets."""
MAX_NESTED = 10_000
"""Maximum number of lists, tables, calls and filters in a source, each of which can add a level to a value."""
COPY_FILTER = "assay.copy"
"""Name of the filter that copies a value assigned to an attribute of a namespace."""

_COPIED = "_assay_copied"
_START = re.compile(r"\{[{%#]")
_SIMPLE = re.compile(r"\{\{[-+]?[ \t]*[\w.]{1,80}[ \t]*[-+]?\}\}")
"""A tag with a variable alone, the most frequent one, which needs no check."""
_RAW = re.compile(r"\{%[-+]?[ \t\n\r\f]*raw[ \t\n\r\f]*[-+]?%\}")
_END_RAW = re.compile(r"\{%[-+]?[ \t\n\r\f]*endraw[ \t\n\r\f]*[-+]?%\}")
_END = {"{{": re.compile(r"[-+]?\}\}"), "{%": re.compile(r"[-+]?%\}")}
_TOKEN = re.compile(
    r"""
    (?P<space> [ \t\n\r\f]+ )
    | (?P<text> '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" )
    | (?P<number> [0-9][0-9a-zA-Z_]* (?: \.[0-9][0-9_]* )? )
    | (?P<word> \w+ )
    | (?P<open> [(\[{] )
    | (?P<close> [)\]}] )
    | (?P<comma> , )
    | (?P<operator> \*\* | // | [=!<>]= | [-+*/%~|.<>] )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD_OPERATORS = frozenset({"and", "or", "not", "in", "is", "if", "else"})
_RECURSIVE = frozenset({"macro", "include", "import", "from", "extends"})


@dataclass
class Source:
    """A checked source.

    Attributes:
        text: The source for minijinja.
        is_flat: True if it has no macros, includes or recursion and little nesting, so that a normal stack suffices.
    """

    text: str
    is_flat: bool


@dataclass
class _Level:
    """Depth of a pair of brackets, or of a tag outside brackets."""

    operators: int = 0
    inner: int = 0
    max_depth: int = 0

    def end_item(self) -> int:
        """End an item of a comma-separated list; return the depth of the level so far."""
        self.max_depth = max(self.max_depth, self.operators + self.inner)
        self.operators = self.inner = 0
        return self.max_depth


@dataclass
class _Tag:
    start: int
    end: int
    words: list[str] = field(default_factory=list)
    """Words outside brackets."""
    depth: int = 0
    nested: int = 0
    value_start: int | None = None
    """Position of the value, in an assignment to an attribute."""


def prepare(text: str, name: str) -> Source:
    """Check a source and make assignments to attributes safe. Raises BuiltinError if it is nested too deeply."""
    chains: list[int] = []  # depth of the last `elif` of each open `if`
    pieces: list[str] = []
    nested, written, is_flat = 0, 0, True
    for tag in _tags(text):
        statement = tag.words[0] if text[tag.start + 1] == "%" and tag.words else ""
        if statement == "if":
            chains.append(chains[-1] if chains else 0)
        elif statement == "elif" and chains:
            chains[-1] += 1
        elif statement == "endif" and chains:
            chains.pop()
        nested += tag.nested
        is_flat = is_flat and statement not in _RECURSIVE and "recursive" not in tag.words
        problem = None
        if tag.depth + (chains[-1] if chains else 0) > MAX_DEPTH:
            problem = f"expression or elif chain deeper than {MAX_DEPTH} levels"
        elif nested > MAX_NESTED:
            problem = f"more than {MAX_NESTED} lists, calls and filters"
        if problem is not None:
            line = text.count("\n", 0, tag.start) + 1
            raise BuiltinError(f"{problem} (in {name}:{line})")
        if statement == "set" and tag.value_start is not None:
            assignment = _copying_assignment(text[tag.start : tag.end], tag.value_start - tag.start)
            pieces += [text[written : tag.start], assignment]
            written = tag.end
    return Source("".join([*pieces, text[written:]]), is_flat and nested <= MAX_DEPTH)


def _copying_assignment(tag: str, value_start: int) -> str:
    """Rewrite an assignment to an attribute, so that it copies tables and arrays."""
    end = re.search(r"[-+]?%\}\Z", tag)
    assert end is not None
    begin = tag[: 3 if tag[2] in "-+" else 2]
    target = re.sub(r"\A\s*set", "", tag[len(begin) : value_start]).rstrip()
    kinds = " or ".join(f"{_COPIED} is {kind}" for kind in ("number", "string", "boolean", "none", "undefined"))
    value = f"{_COPIED} if {kinds} else {_COPIED}|{COPY_FILTER}({_COPIED}|tojson)"
    return f"{begin} set {_COPIED} = {tag[value_start : end.start()]} %}}{{% set {target} {value} {end[0]}"


def _tags(text: str) -> Iterator[_Tag]:
    """Yield the tags of a source, except simple ones, with minijinja's lexical rules."""
    at = 0
    while (start := _START.search(text, at)) is not None:
        if start[0] == "{#":
            comment_end = text.find("#}", _after_sign(text, start.end()))
            if comment_end < 0:
                return
            at = comment_end + 2
        elif (simple := _SIMPLE.match(text, start.start())) is not None:
            at = simple.end()
        elif (raw := _RAW.match(text, start.start())) is not None:
            end = _END_RAW.search(text, raw.end())
            if end is None:
                return
            at = end.end()
        else:
            tag = _tag(text, start)
            yield tag
            at = tag.end


def _after_sign(text: str, at: int) -> int:
    return at + (text[at : at + 1] in ("-", "+"))


def _tag(text: str, start: re.Match[str]) -> _Tag:
    """Read a tag up to its end, or to the end of the text if it is unterminated."""
    tag, levels, end = _Tag(start.start(), len(text)), [_Level()], _END[start[0]]
    at = _after_sign(text, start.end())
    dotted = assigns = False
    while at < len(text):
        ended = end.match(text, at) if len(levels) == 1 else None
        if ended is not None:
            tag.end = ended.end()
            break
        token = _TOKEN.match(text, at)
        assert token is not None
        at, kind = token.end(), token.lastgroup
        level, outside = levels[-1], len(levels) == 1
        if kind == "operator" or (kind == "word" and token[0] in _WORD_OPERATORS):
            level.operators += 1
            tag.nested += token[0] == "|"
            dotted = dotted or token[0] == "."
        elif kind == "open":
            level.operators += 1
            tag.nested += 1
            levels.append(_Level())
        elif kind == "close" and not outside:
            inner = levels.pop().end_item()
            levels[-1].inner = max(levels[-1].inner, inner)
        elif kind == "comma":
            level.end_item()
        if level.operators > MAX_DEPTH or len(levels) > MAX_DEPTH:
            tag.depth = MAX_DEPTH + 1
            return tag
        if kind == "word" and outside:
            tag.words.append(token[0])
        elif token[0] == "=" and outside and not assigns:
            assigns = True
            tag.value_start = at if dotted else None
    # In an unterminated tag, all open levels count.
    tag.depth = sum(level.end_item() for level in levels)
    return tag
