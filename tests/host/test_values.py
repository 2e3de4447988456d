"""Conversion of values between Lua, Python and JSON."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from assay.errors import LuaError, WireError
from assay.lua.values import Json
from json_values import is_equal, json_trees, trees, without_nulls
from lua_host import CapturingHost, run

INSIDE = CapturingHost()
ECHO = INSIDE.host.load(b"local value = ... return value", "echo")
ECHO_CALL = INSIDE.host.load(b"local value = ... return probe.echo(value)", "echo")
JSON_ECHO = INSIDE.host.load(b"local text = ... return json.encode(json.parse(text))", "echo")


@settings(deadline=None)
@given(trees)
def test_a_value_goes_to_lua_and_back(value: Any) -> None:
    assert is_equal(INSIDE.host.run_sync(ECHO, (value,)), value)
    assert is_equal(INSIDE.host.run_sync(ECHO_CALL, (value,)), value)


@settings(deadline=None)
@given(json_trees)
def test_json_goes_through_lua(value: Any) -> None:
    text = json.dumps(value)
    assert is_equal(json.loads(INSIDE.host.run_sync(JSON_ECHO, (text,))), without_nulls(value))
    assert is_equal(INSIDE.host.run_sync(ECHO, (value,)), without_nulls(value))


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_go_to_lua_and_back(value: bytes) -> None:
    result = run("local t = ... return {t.s, probe.data(t.s), probe.echo(t.s)}", {"s": value})
    expected = INSIDE.host.run_sync(ECHO, (value,))
    assert (expected.encode() if isinstance(expected, str) else expected) == value
    assert result == [expected] * 3


@settings(deadline=None, max_examples=500)
@given(st.text(alphabet='{}[]",:0123456789.eE+-\\/untrfalsb \t\n\x01é', max_size=12))
def test_json_text_is_taken_or_refused_as_python_does(text: str) -> None:
    # Numbers too big for Lua become floats; Python takes half a surrogate pair.
    assume(not re.search(r"\d{18}|[eE][+-]?\d{3}|\\u", text))
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(LuaError, match=r"json\.parse: "):
            INSIDE.host.run_sync(JSON_ECHO, (text,))
    else:
        assert json.loads(INSIDE.host.run_sync(JSON_ECHO, (text,))) == without_nulls(expected)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_floats_that_are_not_finite(value: float) -> None:
    for result in (run("return ...", value), *run("return {..., x = 1}", value).values()):
        assert result == 1 or repr(result) == repr(value)
    assert repr(run("return (...)", {"x": [value, None, "\0d"]})) == repr({"x": [value, None, "\0d"]})
    assert run("local t = ... return t[1] ~= t[1] or t[1] == math.huge or t[1] == -math.huge", [value]) is True


def test_integers_that_lua_has_not_become_floats() -> None:
    assert run("return math.type(...)", 2**63 - 1) == "integer"
    assert run("return math.type(...)", 2**63) == "float"
    assert run("return math.type((...)[1])", [2**63]) == "float"
    assert run("return math.type(json.parse('18446744073709551616'))") == "float"
    with pytest.raises(WireError, match="64-bit"):
        run("local t = ...", [2**70])


def test_nil_and_null() -> None:
    assert run("return nil") is None
    assert run("return json.null") is None
    assert run("return {1, json.null, 3}") == [1, None, 3]
    assert run("return {a = json.null}") == {"a": None}
    assert run("local t = ... return t.a == nil and t.b[1] == json.null", {"a": None, "b": [None]}) is True
    assert run("return select('#', ...)", None, 1, None) == 3


def test_arrays_and_objects() -> None:
    assert run("return {}") == {}
    assert run("return json.array({})") == []
    assert run("return json.empty_array") == []
    assert run("return (...)", []) == []
    assert run("return (...)", [[], {}]) == [[], {}]
    assert run("return {1, nil, 3}") == {"1": 1, "3": 3}
    assert run("return {[3] = 1}") == {"3": 1}
    assert run("return {1, x = 2}") == {"1": 1, "x": 2}
    assert run("local t = {} return {t, t}") == [{}, {}]


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("local t = {} t.a = {t} return t", "a table that contains itself at .a[1]"),
        ("return {a = {print}}", "a function at .a[1]"),
        ("return {coroutine.create(print)}", "a thread at [1]"),
        ("return {probe.box()}", "a probe.Box at [1]"),
        ("return probe.box()", "a probe.Box"),
        ("return {['\\xff'] = 1}", "a key that is not valid UTF-8"),
        ("return {[1.5] = 1}", "a table with a key of type number"),
        ("local t = {} for _ = 1, 1001 do t = {t} end return t", "more than 1000 levels"),
    ],
)
def test_results_that_cannot_leave_lua_name_the_place(code: str, what: str) -> None:
    with pytest.raises(LuaError) as caught:
        run(code)
    assert what in caught.value.message


def test_a_python_value_without_json_names_its_place_and_type() -> None:
    with pytest.raises(ValueError, match=r"^a value of type set at \.tags\[1\]$"):
        Json.of({"tags": [{"a"}]})


def test_many_byte_strings_and_long_ones() -> None:
    many = [bytes([255, i % 256]) for i in range(5000)]
    assert run("local t = ... assert(#t == 5000 and t[5000] == '\\xff\\x87') return t", many) == many
    long = "é" * 1_000_000
    assert run("return {..., probe.echo(...)}", long) == [long, long]
    assert run("return {a = ('\\xff'):rep(1000000)}") == {"a": b"\xff" * 1_000_000}


def test_deep_values() -> None:
    value: Any = 1
    for _ in range(200):
        value = [value]
    assert run("return ...", value) == value
    for _ in range(200):
        value = {"x": value}
    with pytest.raises(WireError, match="nested too deep"):
        run("return ...", value)


def test_json_arguments_and_results_stay_text() -> None:
    lua = CapturingHost()
    function = lua.host.load(b"local a, b = ... return {a, b or 'none'}", "script.lua")
    task = lua.host.start(function, [Json(b'{"x":[]}'), Json(b"null")], b"json")
    assert lua.host.result(lua.host.step(task)) == Json(b'[{"x":[]},"none"]')
    with pytest.raises(LuaError, match=r"is not serializable: NaN at \[1\]"):
        lua.host.result(lua.host.step(lua.host.start(lua.host.load(b"return {0/0}", "x"), [], b"json")))


def test_a_value_that_lua_has_no_word_for_is_an_error_of_the_builtin() -> None:
    with pytest.raises(LuaError, match=r"probe\.strange: a value of type object"):
        run("probe.strange()")
