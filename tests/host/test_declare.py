"""Lua functions from declarations: arguments, options, results, handles, errors."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from assay.errors import LuaError
from lua_host import CapturingHost, run
from probe_library import Box


def problem(code: str) -> str:
    """The error message of a chunk."""
    text = run(f"local ok, e = pcall(function() local _ = {code} end) assert(not ok, 'no error') return tostring(e)")
    assert text.startswith("script.lua:1: ")
    return str(text.removeprefix("script.lua:1: "))


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("probe.text('a')", "a"),
        ("probe.text(5)", "5"),
        ("probe.text(5.5)", "5.5"),
        ("probe.text('\\0a')", "\0a"),
        ("probe.data('\\xff')", b"\xff"),
        ("probe.data(7)", "7"),
        ("probe.integer(7)", 7),
        ("probe.integer(7.0)", 7),
        ("probe.integer(-9223372036854775807 - 1)", -(2**63)),
        ("probe.number(7)", 7),
        ("probe.number(7.5)", 7.5),
        ("probe.boolean(false)", False),
        ("probe.word('slow')", "slow"),
        ("probe.words({'a', 'b'})", ["a", "b"]),
        ("probe.words({})", []),
        ("probe.words({5})", ["5"]),
        ("probe.rows({a = 1})", {"a": 1}),
        ("probe.rows({})", {}),
        ("probe.rows({7, 8})", {"1": 7, "2": 8}),
        ("probe.either('a')", "a"),
        ("probe.either({'a'})", ["a"]),
        ("probe.either({})", []),
        ("probe.optional()", [None, "none"]),
        ("probe.optional(nil, 'x')", [None, "x"]),
        ("probe.optional(1, nil)", [1, "none"]),
        ("probe.rest('a')", []),
        ("probe.rest('a', 1, {b = 2}, 'c')", [1, {"b": 2}, "c"]),
        ("probe.echo('\\0r1')", "\0r1"),
        ("probe.echo({'\\0r1', {['\\0d'] = '\\0'}})", ["\0r1", {"\0d": "\0"}]),
        ("probe.as_json({a = {}, b = json.array()})", '{"a":{},"b":[]}'),
        ("probe.as_json('x')", '"x"'),
        ("probe.runtime_of(5)", True),
        ("probe.integer(1, 'too', 'many')", 1),
        ("{probe.several()}", {"1": 1, "3": "three"}),
        ("select('#', probe.several())", 3),
        ("probe.call(function(a, b) return a + b end, 1, 2)", 3),
        ("probe.call(function(t) sleep(0) return {t, t} end, {a = 1})", [{"a": 1}, {"a": 1}]),
    ],
)
def test_arguments_and_results(code: str, value: Any) -> None:
    result = run(f"return {code}")
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("probe.text()", "probe.text: bad argument 'value' (string expected, got nil)"),
        ("probe.text(nil)", "probe.text: bad argument 'value' (string expected, got nil)"),
        ("probe.text({})", "probe.text: bad argument 'value' (string expected, got table)"),
        ("probe.text(true)", "probe.text: bad argument 'value' (string expected, got boolean)"),
        ("probe.text(print)", "probe.text: bad argument 'value' (string expected, got function)"),
        ("probe.text(json.null)", "probe.text: bad argument 'value' (string expected, got json.null)"),
        ("probe.text(probe.box())", "probe.text: bad argument 'value' (string expected, got a probe.Box)"),
        ("probe.text('\\xff')", "probe.text: bad argument 'value' (expected a UTF-8 string, got invalid UTF-8)"),
        ("probe.data({})", "probe.data: bad argument 'value' (string expected, got table)"),
        ("probe.integer('7')", "probe.integer: bad argument 'value' (integer expected, got string)"),
        ("probe.integer(7.5)", "probe.integer: bad argument 'value' (integer expected, got number)"),
        ("probe.integer(2^70)", "probe.integer: bad argument 'value' (integer expected, got number)"),
        ("probe.number('7')", "probe.number: bad argument 'value' (number expected, got string)"),
        ("probe.boolean(1)", "probe.boolean: bad argument 'value' (boolean expected, got number)"),
        ("probe.word('no')", 'probe.word: bad argument \'value\' (one of "fast", "slow" expected, got "no")'),
        ("probe.words('a')", "probe.words: bad argument 'value' (table expected, got string)"),
        ("probe.words({a = 1})", "probe.words: bad argument 'value' (array expected, got a table with the key 'a')"),
        (
            "probe.words({[0] = 'a'})",
            "probe.words: bad argument 'value' (array expected, got a table with the key '0')",
        ),
        ("probe.words({'a', {}})", "probe.words: bad argument 'value.2' (string expected, got table)"),
        (
            "probe.words({'a', nil, 'c'})",
            "probe.words: bad argument 'value' (array expected, got a table without item 2)",
        ),
        ("probe.rows({a = 'x'})", "probe.rows: bad argument 'value.a' (integer expected, got string)"),
        ("probe.rows({a = 1.5})", "probe.rows: bad argument 'value.a' (integer expected, got 1.5)"),
        ("probe.either(5 > 4)", "probe.either: bad argument 'value' (string or table expected, got boolean)"),
        ("probe.either()", "probe.either: bad argument 'value' (string or table expected, got nil)"),
        ("probe.optional('x')", "probe.optional: bad argument 'value' (integer expected, got string)"),
        ("probe.echo()", "probe.echo: bad argument 'value' (value expected, got nil)"),
        ("probe.echo(print)", "probe.echo: bad argument 'value' (value expected, got function)"),
        ("probe.echo(probe.box())", "probe.echo: bad argument 'value' (value expected, got a probe.Box)"),
        ("probe.echo({{print}})", "probe.echo: bad argument 'value', item 1, item 1 (functions cannot be serialized)"),
        ("probe.echo({a = probe.box()})", "probe.echo: bad argument 'value' (not serializable: a probe.Box at .a)"),
        ("probe.as_json({0/0})", "probe.as_json: bad argument 'value' (not JSON-serializable: NaN at [1])"),
        ("probe.call(5)", "probe.call: bad argument 'function' (function expected, got number)"),
        ("probe.call({})", "probe.call: bad argument 'function' (function expected, got table)"),
        ("probe.unbox()", "probe.unbox: bad argument 'value' (probe.Box expected, got nil)"),
        ("probe.unbox({})", "probe.unbox: bad argument 'value' (probe.Box expected, got table)"),
        ("probe.unbox(probe.lid())", "probe.unbox: bad argument 'value' (probe.Box expected, got a probe.Lid)"),
        (
            "probe.box().get()",
            "box:get: bad argument 'self' (probe.Box expected, got nil; methods are called with a colon)",
        ),
        (
            "probe.box().get(probe.lid())",
            "box:get: bad argument 'self' (probe.Box expected, got a probe.Lid; methods are called with a colon)",
        ),
        (
            "probe.box().get({})",
            "box:get: bad argument 'self' (probe.Box expected, got table; methods are called with a colon)",
        ),
        ("probe.box():wait('x')", "box:wait: bad argument 'seconds' (number expected, got string)"),
    ],
)
def test_bad_arguments(code: str, message: str) -> None:
    assert problem(code) == message


def test_options() -> None:
    code = """return probe.options({name = 'n', count = 2.0, ratio = 1, on = true, mode = 'slow', tags = {'a'},
        headers = {a = 'b', c = {'d', 'e'}}, inner = {size = 3}, done = print, value = {1, {x = 2}}, data = '\\xff'})"""
    assert run(code) == {
        "name": "n",
        "count": 2,
        "ratio": 1,
        "on": True,
        "mode": "slow",
        "tags": ["a"],
        "headers": {"a": "b", "c": ["d", "e"]},
        "inner": {"size": 3},
        "done": True,
        "value": [1, {"x": 2}],
        "data": b"\xff",
    }
    defaults = run("return probe.options({name = 'n'})")
    assert defaults == {"name": "n", "count": 0, "on": False, "mode": "fast", "tags": [], "done": False, "data": ""}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("{}", "missing option 'name'"),
        ("{count = 1}", "missing option 'name'"),
        ("{name = 'n', nam = 1}", "unknown option 'nam' (did you mean 'name'?)"),
        ("{name = 'n', counts = 1}", "unknown option 'counts' (did you mean 'count'?)"),
        ("{name = 'n', inner = {siz = 1}}", "unknown option 'inner.siz' (did you mean 'size'?)"),
        ("{name = 'n', inner = {xyz = 1}}", "unknown option 'inner.xyz' (known: size)"),
        ("{name = 'n', inner = 5}", "bad option 'inner' (table expected, got number)"),
        ("{'n'}", "bad argument 'value' (table of named options expected, got an array)"),
        ("{name = {}}", "bad option 'name' (string expected, got table)"),
        ("{name = 'n', count = 1.5}", "bad option 'count' (integer expected, got 1.5)"),
        ("{name = 'n', count = 2^63}", "bad option 'count' (integer expected, got 9.223372036854776e+18)"),
        ("{name = 'n', count = 'x'}", "bad option 'count' (integer expected, got string)"),
        ("{name = 'n', ratio = true}", "bad option 'ratio' (number expected, got boolean)"),
        ("{name = 'n', on = 1}", "bad option 'on' (boolean expected, got number)"),
        ("{name = 'n', mode = 'no'}", 'bad option \'mode\' (one of "fast", "slow" expected, got "no")'),
        ("{name = 'n', tags = 'a'}", "bad option 'tags' (array expected, got string)"),
        ("{name = 'n', tags = {'a', true}}", "bad option 'tags.2' (string expected, got boolean)"),
        ("{name = 'n', headers = {a = true}}", "bad option 'headers.a' (string or table expected, got boolean)"),
        ("{name = 'n', done = 5}", "bad option 'done' (function expected, got number)"),
        ("{name = 'n', done = {}}", "bad option 'done' (function expected, got table)"),
        ("{name = 'n', value = print}", "bad option 'value' (functions cannot be serialized)"),
        ("{name = 'n', data = {}}", "bad option 'data' (string expected, got table)"),
        ("5", "bad argument 'value' (table expected, got number)"),
        ("nil", "bad argument 'value' (table expected, got nil)"),
    ],
)
def test_bad_options(table: str, message: str) -> None:
    assert problem(f"probe.options({table})") == f"probe.options: {message}"


def test_errors_of_a_builtin_reach_lua() -> None:
    assert problem("probe.fail('refused')") == "probe.fail: refused"
    assert problem("probe.fail('unexpected')") == "probe.fail: RuntimeError: unforeseen"
    assert problem("probe.fail('no words')") == "probe.fail: KeyError: "
    assert run("return select(2, pcall(probe.fail, 'file'))") == b"probe.fail: /x/\xff: No such file or directory"
    assert run("""
        local ok, e = pcall(probe.fail, 'object')
        return {tostring(e), e.kind, e.details.n, tostring(e.cause), e.cause.kind, getmetatable(e)}
    """) == ["whole message", "odd", 1, "inner", "deep", False]
    assert run("return select(2, pcall(probe.fail, 'object with an unsupported value')).kind") == "odd"
    with pytest.raises(LuaError) as caught:
        run("probe.fail('object')")
    assert caught.value.message == "whole message"
    assert caught.value.value["kind"] == "odd"
    assert "script.lua:1: in main chunk" in caught.value.traceback


def test_handles_show_their_class_and_nothing_else() -> None:
    assert run("""
        local box = probe.box({1, 2})
        assert(tostring(box) == "probe.Box" and type(box) == "table" and getmetatable(box) == false)
        assert(next(box) == nil and not pcall(setmetatable, box, {}) and not pcall(rawset, {}, nil))
        assert(box ~= probe.box() and box == box)
        assert(box.get == probe.box().get and box.nothing == nil)
        box.mine = 5
        return {box.mine, box:get(), box:wait(), probe.unbox(box), box.get(box)}
    """) == [5, [1, 2], [1, 2], [1, 2], [1, 2]]


def test_a_copied_handle_is_not_a_handle() -> None:
    message = problem(
        "(function() local copy = {} for k, v in pairs(probe.box()) do copy[k] = v end return probe.unbox(copy) end)()"
    )
    assert message == "probe.unbox: bad argument 'value' (probe.Box expected, got table)"


def test_objects_go_when_their_handles_are_collected() -> None:
    gc.collect()
    before = Box.alive
    lua = CapturingHost()
    lua.run("keep = probe.box() for i = 1, 1000 do probe.box(i) end collectgarbage() collectgarbage()")
    lua.run("")
    assert Box.alive == before + 1
    lua.run("keep = nil collectgarbage() collectgarbage()")
    lua.run("")
    assert Box.alive == before


def test_functions_go_when_python_lets_go() -> None:
    assert run("""
        local weak = setmetatable({}, {__mode = "k"})
        for i = 1, 100 do
          local f = function() return i end
          weak[f] = true
          probe.hold(f)
          probe.call(f)
        end
        sleep(0)
        collectgarbage() collectgarbage()
        return next(weak) == nil
    """)


def test_a_library_that_cannot_be_loaded_says_why() -> None:
    lua = CapturingHost(
        {"gone": ("no_such_module", False), "odd": ("lua_host", False), "there": ("probe_library", False)}
    )
    assert "gone: ModuleNotFoundError: No module named 'no_such_module'" in lua.run(
        "return select(2, pcall(function() return gone.x end))"
    )
    assert "odd: AttributeError: " in lua.run("return select(2, pcall(function() return odd.x end))")
    assert lua.run("return there.integer(1)") == 1


def test_a_global_is_loaded_at_its_first_use() -> None:
    lua = CapturingHost()
    assert lua.run("""
        local before = rawget(base64, 'encode')
        base64.mine = 1
        local names = {}
        for name in pairs(base64) do names[#names + 1] = name end
        table.sort(names)
        return {before == nil, rawget(base64, 'encode') ~= nil, names, getmetatable(base64) == nil}
    """) == [True, True, ["decode", "encode", "mine"], True]
