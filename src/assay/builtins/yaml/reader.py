"""Builds values from YAML events, without recursion, so that no document can exhaust the stack."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from assay.builtins.yaml.scalars import resolve
from assay.errors import BuiltinError

MAX_DEPTH = 200
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "null": (type(None),),
}
_MISREAD = re.compile(r"(?:^|[\s,\[{])&[\w-]+[?:%@`]\S|[\[{,]\s*\?[^\s,\[\]{}]")
"""Syntax that libyaml misreads: `&a:b` as the anchor `a`, and any `?` in a flow collection as a key indicator."""
_MAX_SLOW_PARSE = 256 << 10  # maximum length for Parser12, in characters, which takes up to two seconds
_MAX_QUICK_SLOW_PARSE = 16 << 10  # the same in a workflow, which takes up to a tenth of a second
_FREE_ALIASES = 1_000_000  # characters that aliases may add to a document of any length


def read(text: str, must_be_quick: bool) -> Any:
    """Parse one document. Raises BuiltinError."""
    documents = _Reader(text, must_be_quick, only_one=True).documents()
    return documents[0] if documents else None


def read_all(text: str, must_be_quick: bool) -> list[Any]:
    """Parse all documents. Raises BuiltinError."""
    return _Reader(text, must_be_quick, only_one=False).documents()


class _OpenCollection:
    """A mapping or a sequence under construction."""

    def __init__(self, event: Any, container: Any, weight: int) -> None:
        self.anchor: str | None = event.anchor
        self.container = container
        self.weight = weight
        self.key: str | None = None
        """Key of the next value, in a mapping."""
        self.merges = False
        """True if the next value is merged into this mapping."""
        self.merged: tuple[Any, Any] | None = None
        """The value to merge into this mapping, and its event."""


class _Reader:
    def __init__(self, text: str, must_be_quick: bool, only_one: bool) -> None:
        self._text = text
        self._only_one = only_one
        self._max_slow_parse = _MAX_QUICK_SLOW_PARSE if must_be_quick else _MAX_SLOW_PARSE
        self._max_weight = 10 * len(text) + _FREE_ALIASES
        self._documents: list[Any] = []
        self._begin()

    def _begin(self) -> None:
        self._stack: list[_OpenCollection] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._weight = 0

    def documents(self) -> list[Any]:
        is_short = len(self._text) <= self._max_slow_parse
        if is_short and _MISREAD.search(self._text):
            self._parse_slowly()
            return self._documents
        try:
            self._process_all(yaml.parse(self._text, Loader=yaml.CBaseLoader))
        except yaml.reader.ReaderError as error:
            raise BuiltinError(_describe(error)) from None
        except yaml.YAMLError as error:
            if not is_short:
                raise BuiltinError(_describe(error)) from None
            self._parse_slowly()
        return self._documents

    def _parse_slowly(self) -> None:
        """Parse the text as YAML 1.2; libyaml is much faster, but implements YAML 1.1."""
        from assay.builtins.yaml.parser import Parser12

        self._documents = []
        self._begin()
        try:
            self._process_all(Parser12(self._text))
        except yaml.YAMLError as error:
            raise BuiltinError(_describe(error)) from None

    def _process_all(self, events: Iterable[Any]) -> None:
        for event in events:
            self._process(event)

    def _process(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._weigh(1 + len(event.value), event)
            value = self._scalar(event)
            self._anchor(event.anchor, value, 1 + len(event.value))
            self._add(value, event)
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._alias(event), event)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open(event, {}, "map")
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open(event, [], "seq")
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = self._stack.pop()
            if ended.merged is not None:
                _merge(ended.container, *ended.merged)
            self._anchor(ended.anchor, ended.container, self._weight - ended.weight)
        elif isinstance(event, yaml.DocumentStartEvent):
            if self._documents and self._only_one:
                raise _at(event, "found a second document; use yaml.parse_all")
            self._begin()

    def _weigh(self, weight: int, event: Any) -> None:
        self._weight += weight
        if self._weight > self._max_weight:
            raise _at(event, "aliases expand the document too much")

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            if any(item.anchor == event.anchor for item in self._stack):
                raise _at(event, f"the alias '{event.anchor}' occurs within its own anchor")
            raise _at(event, f"unknown alias '{event.anchor}'")
        value, weight = self._anchors[event.anchor]
        self._weigh(weight, event)
        return value

    def _open(self, event: Any, container: Any, tag: str) -> None:
        if event.tag not in (None, "!", _CORE + tag):
            raise _at(event, _unknown_tag(event.tag))
        if len(self._stack) == MAX_DEPTH:
            raise _at(event, f"more than {MAX_DEPTH} levels")
        opened = _OpenCollection(event, container, self._weight)
        self._weigh(1, event)
        self._add(container, event)
        self._stack.append(opened)

    def _anchor(self, name: str | None, value: Any, weight: int) -> None:
        if name is not None:
            self._anchors[name] = value, weight

    def _add(self, value: Any, event: Any) -> None:
        if not self._stack:
            self._documents.append(value)
            return
        parent = self._stack[-1]
        if isinstance(parent.container, list):
            parent.container.append(value)
        elif parent.merges:
            parent.merges, parent.merged = False, (value, event)
        elif parent.key is None and _is_merge(event):
            if parent.merged is not None:
                raise _at(event, "duplicate key '<<'")
            parent.merges = True
        elif parent.key is None:
            parent.key = _key(value, event)
            if parent.key in parent.container:
                raise _at(event, f"duplicate key '{parent.key}'")
        else:
            parent.container[parent.key] = value
            parent.key = None

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if _is_merge(event):
            return text
        if event.tag is None:
            return resolve(text) if event.implicit[0] else text
        if event.tag == "!":
            return text
        kind = event.tag.removeprefix(_CORE)
        types = _SCALAR_TAGS.get(kind)
        if types is None or kind == event.tag:
            raise _at(event, _unknown_tag(event.tag))
        value = text if kind == "str" else resolve(text)
        if type(value) not in types:
            raise _at(event, f"the value is not a valid !!{kind}")
        return float(value) if kind == "float" else value


def _is_merge(event: Any) -> bool:
    """Return true for the unquoted merge key `<<` of YAML 1.1."""
    plain = isinstance(event, yaml.ScalarEvent) and event.value == "<<"
    return plain and (event.implicit[0] if event.tag is None else event.tag == f"{_CORE}merge")


def _merge(container: dict[str, Any], value: Any, event: Any) -> None:
    """Add the entries of one or more mappings for keys that do not exist; the first mapping takes precedence."""
    sources = value if isinstance(value, list) else [value]
    if not all(isinstance(source, dict) for source in sources):
        raise _at(event, "the value of '<<' must be a mapping or a sequence of mappings")
    for source in sources:
        for key, item in source.items():
            container.setdefault(key, item)


def _key(value: Any, event: Any) -> str:
    if isinstance(value, dict | list):
        raise _at(event, "mappings and sequences cannot be keys")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _unknown_tag(tag: str) -> str:
    name = "!!" + tag.removeprefix(_CORE) if tag.startswith(_CORE) else tag
    return f"the tag {name} is not in the core schema"


def _at(event: Any, problem: str) -> BuiltinError:
    return BuiltinError(f"{problem} at line {event.start_mark.line + 1} column {event.start_mark.column + 1}")


def _describe(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        return f"the character U+{error.character:04X} is not allowed at position {error.position + 1}"
    problem = getattr(error, "problem", None)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if problem is None or mark is None:
        return " ".join(str(error).split())
    context = getattr(error, "context", None)
    text = f"{context}: {problem}" if context else problem
    return f"{text} at line {mark.line + 1} column {mark.column + 1}"
