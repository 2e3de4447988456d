"""JSON, YAML and TOML compared with Python's parsers, with generated values and documents."""

from __future__ import annotations

import json
import math
import tomllib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lua_host import CapturingHost

EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ODD_TEXT = st.one_of(
    TEXT, st.text('"\\/\b\f\n\r\t\0\x7f\x1b\u2028\U0001f600u0a', max_size=8), TEXT.map(lambda t: t * 40)
)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.one_of(ODD_TEXT, INTEGERS, FLOATS, st.integers(-2000, 2000), st.booleans())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(ODD_TEXT, inner, max_size=5), max_leaves=25
)


@pytest.fixture(scope="module")
def lua() -> CapturingHost:
    return CapturingHost()


def same(a: Any, b: Any) -> bool:
    """Return true if two values are equal and have the same types."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b and (not isinstance(a, float) or math.copysign(1, a) == math.copysign(1, b))


@EXAMPLES
@given(value=VALUES, ascii_only=st.booleans(), indent=st.sampled_from([None, 0, 2]), pretty=st.booleans())
def test_json_both_ways(lua: CapturingHost, value: Any, ascii_only: bool, indent: int | None, pretty: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    again = lua.run("local text, pretty = ... return json.encode(json.parse(text), {pretty = pretty})", text, pretty)
    assert same(json.loads(again), value)


@EXAMPLES
@given(value=VALUES)
def test_values_cross_unchanged(lua: CapturingHost, value: Any) -> None:
    assert same(lua.run("return ...", value), value)


def refuse(text: str) -> Any:
    raise ValueError(text)


@EXAMPLES
@given(
    value=VALUES,
    cut=st.integers(0, 80),
    put=st.sampled_from(["", '"', "\\", "\n", "{", "]", ",", "0", "-", ".", "e", "\\ud83d", "\\u12"]),
)
def test_json_takes_what_python_takes(lua: CapturingHost, value: Any, cut: int, put: str) -> None:
    text = json.dumps(value)
    text = text[: cut % (len(text) + 1)] + put + text[cut % (len(text) + 1) + 1 :]
    try:
        expected: Any = [json.loads(text, parse_constant=refuse)]
        json.dumps(expected, ensure_ascii=False).encode()  # an unpaired surrogate is not UTF-8
    except (ValueError, RecursionError):
        expected = None
    got = lua.run("local ok, value = pcall(json.parse, ...) return ok and json.encode({value})", text)
    if expected is None or any(math.isinf(number) for number in floats(expected)):
        assert got is False
    else:
        assert got is not False


def floats(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in floats(item)]
    return [value] if isinstance(value, float) else []


@EXAMPLES
@given(value=VALUES)
def test_yaml_both_ways(lua: CapturingHost, value: Any) -> None:
    assert same(lua.run("return yaml.parse(yaml.encode(...))", value), value)


@EXAMPLES
@given(value=st.dictionaries(ODD_TEXT, VALUES, max_size=6))
def test_toml_both_ways(lua: CapturingHost, value: Any) -> None:
    text = lua.run("return toml.encode(...)", value)
    assert same(tomllib.loads(text), value)
    assert same(lua.run("return toml.parse(...)", text), value)
