"""What is done to the source of a template before the engine sees it.

The engine is native code that recurses over what is nested, so that a source or a value that is nested deeply enough
ends the process. Its own limits leave out chains of operators and of `elif`; a value that holds itself, which only an
attribute of a namespace makes possible, is not noticed either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from assay.errors import BuiltinError

MAX_DEPTH = 500
"""Levels of an expression: operators, filters, attributes, calls and brackets that contain each other."""
MAX_NESTED = 10_000
"""Lists, tables, calls and filters of one source: each can add a level to a value."""
CARRY = "assay.carry"
"""The filter through which goes what is assigned to an attribute of a namespace."""

_CARRIED = "_assay_carried"
_START = re.compile(r"\{[{%#]")
_SIMPLE = re.compile(r"\{\{[-+]?[ \t]*[\w.]{1,80}[ \t]*[-+]?\}\}")
"""A variable, which most tags are: nothing needs to be known about it."""
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
    """A source that the engine may have.

    Attributes:
        text: What the engine gets.
        is_flat: Whether it neither calls other templates or itself nor nests many things, so that the stack of any
            thread is enough.
    """

    text: str
    is_flat: bool


@dataclass
class _Level:
    """What is known about one pair of brackets, or about a tag."""

    operators: int = 0
    inner: int = 0
    deepest: int = 0

    def end_item(self) -> int:
        """End what stands between two commas; returns how deep the level is."""
        self.deepest = max(self.deepest, self.operators + self.inner)
        self.operators = self.inner = 0
        return self.deepest


@dataclass
class _Tag:
    start: int
    end: int
    words: list[str] = field(default_factory=list)
    """The words outside of brackets."""
    depth: int = 0
    nested: int = 0
    assigned: int | None = None
    """In an assignment to an attribute: where its value begins."""


def prepare(text: str, name: str) -> Source:
    """Check a source and make assignments to attributes safe. Raises BuiltinError."""
    chains: list[int] = []  # for each open `if`, how deep its last `elif` is
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
            problem = f"an expression or a chain of elif deeper than {MAX_DEPTH} levels"
        elif nested > MAX_NESTED:
            problem = f"more than {MAX_NESTED} lists, calls and filters"
        if problem is not None:
            line = text.count("\n", 0, tag.start) + 1
            raise BuiltinError(f"{problem} (in {name}:{line})")
        if statement == "set" and tag.assigned is not None:
            pieces += [text[written : tag.start], _carrying(text[tag.start : tag.end], tag.assigned - tag.start)]
            written = tag.end
    return Source("".join([*pieces, text[written:]]), is_flat and nested <= MAX_DEPTH)


def _carrying(tag: str, assigned: int) -> str:
    """An assignment to an attribute, of a copy of what is not a plain value."""
    end = re.search(r"[-+]?%\}\Z", tag)
    assert end is not None
    begin = tag[: 3 if tag[2] in "-+" else 2]
    target = re.sub(r"\A\s*set", "", tag[len(begin) : assigned]).rstrip()
    kinds = " or ".join(f"{_CARRIED} is {kind}" for kind in ("number", "string", "boolean", "none", "undefined"))
    value = f"{_CARRIED} if {kinds} else {_CARRIED}|{CARRY}({_CARRIED}|tojson)"
    return f"{begin} set {_CARRIED} = {tag[assigned : end.start()]} %}}{{% set {target} {value} {end[0]}"


def _tags(text: str) -> Iterator[_Tag]:
    """The tags of a source but simple ones, as the engine finds them."""
    at = 0
    while (start := _START.search(text, at)) is not None:
        if start[0] == "{#":
            found = text.find("#}", _after_sign(text, start.end()))
            if found < 0:
                return
            at = found + 2
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
    """Read a tag; to its end, or that of the text."""
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
            tag.assigned = at if dotted else None
    # In a tag without an end all that is open counts.
    tag.depth = sum(level.end_item() for level in levels)
    return tag
