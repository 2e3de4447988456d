"""Encodes values as YAML."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isnan
from typing import Any

import yaml

from assay.builtins.yaml.reader import MAX_DEPTH
from assay.builtins.yaml.scalars import resolve
from assay.errors import BuiltinError

_NO_WRAP = 2**31 - 1
_YAML_11_BOOLEANS = frozenset("yYnN")  # missing from PyYAML's resolvers
_YAML_11_RESOLVERS: dict[Any, Any] = yaml.resolver.Resolver.yaml_implicit_resolvers


def write(value: Any) -> str:
    """Return a value as one document. Raises BuiltinError."""
    text: str = yaml.emit(_document(value), Dumper=yaml.CBaseDumper, allow_unicode=True, width=_NO_WRAP)
    # libyaml ends some scalar documents with "...". Only at the start of a line it is not part of the value.
    return text[: -len("...\n")] if text.endswith("\n...\n") else text


def _document(value: Any) -> Iterator[yaml.Event]:
    yield yaml.StreamStartEvent()
    yield yaml.DocumentStartEvent(explicit=False)
    yield from _events(value, 0)
    yield yaml.DocumentEndEvent(explicit=False)
    yield yaml.StreamEndEvent()


def _events(value: Any, depth: int) -> Iterator[yaml.Event]:
    if depth > MAX_DEPTH:
        raise BuiltinError(f"more than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        yield yaml.MappingStartEvent(None, None, True, flow_style=not value)
        for key, item in value.items():
            yield _string(key)
            yield from _events(item, depth + 1)
        yield yaml.MappingEndEvent()
    elif isinstance(value, list):
        yield yaml.SequenceStartEvent(None, None, True, flow_style=not value)
        for item in value:
            yield from _events(item, depth + 1)
        yield yaml.SequenceEndEvent()
    elif isinstance(value, str):
        yield _string(value)
    elif isinstance(value, bytes):
        raise BuiltinError("invalid UTF-8 in a string; use base64.encode for binary data")
    else:
        yield yaml.ScalarEvent(None, None, (True, False), _plain(value))


def _string(text: str) -> yaml.ScalarEvent:
    style = "|" if "\n" in text and text[0] not in " \n" else None
    return yaml.ScalarEvent(None, None, (_reads_as_string(text), True), text, style=style)


def _reads_as_string(text: str) -> bool:
    """Return true if both YAML 1.2 and 1.1 read the unquoted text as a string."""
    if text in _YAML_11_BOOLEANS:
        return False
    resolvers = [*_YAML_11_RESOLVERS.get(text[:1], ()), *_YAML_11_RESOLVERS.get(None, ())]
    return isinstance(resolve(text), str) and not any(pattern.match(text) for _, pattern in resolvers)


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isnan(value):
        return ".nan"
    if value in (inf, -inf):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    # Without a decimal point, YAML 1.1 reads 1e+16 as a string.
    return text.replace("e", ".0e") if "e" in text and "." not in text else text
