"""Lua in a workflow behaves like plain Lua, including error messages."""

from __future__ import annotations

import pytest
from lupa.lua55 import LuaRuntime

from lua_host import CapturingHost
from workflow_state import run

FAULTS = [
    "local r = string.match(nil, 'x') return r",
    "local r = ('x'):rep(3, {}) return r",
    "local s = 'x' local r = s:rep() return r",
    "local r = ('x'):find({}) return r",
    "local r = ('x'):gsub('(', '') return r",
    "local r = ('x'):gsub('x', '%2') return r",
    "local r = ('x'):gsub('x', function() error('inner') end) return r",
    "local r = ('x'):gsub('x', function() error('inner', 0) end) return r",
    "local r = ('x'):gsub('x', function() return {} end) return r",
    "local r = ('x'):rep(24):gsub('x*x*x*x*y', true) return r",
    "local r = string.format('%d', 'x') return r",
    "local r = string.format('%d') return r",
    "local r = string.format('%y', 1) return r",
    "local named = string.format local r = named('%d', {}) return r",
    "local t = { say = string.format } local r = t.say('%d', {}) return r",
    "local t = setmetatable({}, { __call = string.rep }) t(1)",
    "table.sort({ 1, 'x' })",
    "table.sort({ {}, {} })",
    "table.sort(nil)",
    "table.sort({ 2, 1 }, function(a, b) return a.x < b end)",
    "table.move(nil, 1, 2, 3)",
    "table.move({}, 1)",
    "table.concat({ 1, {} })",
    "table.insert({}, 5, 1)",
    "table.insert(setmetatable({}, {}), 5, 1)",
    "table.remove(setmetatable({}, {}), 5)",
    "table.concat(setmetatable({}, { __index = function() return {} end }), ',', 1, 2)",
    "setmetatable(1, {})",
    "setmetatable({}, 1)",
    "setmetatable({})",
    "setmetatable(setmetatable({}, { __metatable = 1 }), {})",
    "local r = rawget(1, 2) return r",
    "rawset({}, nil, 1)",
    "rawset({}, 1)",
    "local r = getmetatable() return r",
    "local r = tostring() return r",
    "local r = tostring(setmetatable({}, { __tostring = function() return 1 end })) return r",
    "for _ in pairs(nil) do end",
    "pairs()",
    "for k in pairs(setmetatable({}, { __pairs = 1 })) do end",
    "local r = next({}, 1) return r",
    "next(1)",
    "local r = math.random(2, 1) return r",
    "local r = math.random(1, 2, 3) return r",
    "math.randomseed('x')",
    "local r = os.time({}) return r",
    "local r = os.time({ year = 1 << 40, month = 1, day = 1 }) return r",
    "local r = os.time('x') return r",
    "local r = os.date('%Ez') return r",
    "local r = os.date('*t', 'x') return r",
    "local r = coroutine.create(1) return r",
    "local r = coroutine.status() return r",
    "local f = coroutine.wrap(function() error('boom', 0) end) f()",
    "local f = coroutine.wrap(function() end) f() f()",
    "local r = xpcall(print) return r",
    "local r = pcall() return r",
    "collectgarbage('x')",
    "local ok, e = pcall(string.format, '%d', 'x') error(e, 0)",
    "local ok, e = pcall(table.sort, 1) error(e, 0)",
]


@pytest.mark.parametrize("code", FAULTS)
def test_an_error_says_what_it_says_in_plain_lua(code: str) -> None:
    chunk = f"local function probe()\n  {code}\nend\nlocal _, problem = pcall(probe)\nreturn tostring(problem)"
    plain = LuaRuntime().execute(f"return (function(...) {chunk}\nend)()", name="@script.lua")
    assert run(chunk) == plain
    assert CapturingHost().run(f"return (function(...) {chunk}\nend)()") == plain


AGREE = {
    "clearing while walking with next": """
        local t, n = { a = 1, b = 2, c = 3 }, 0
        for k in next, t do t[k] = nil n = n + 1 end
        return n""",
    "clearing while asking for the next key": """
        local t, n = { a = 1, b = 2, c = 3 }, 0
        local k = next(t)
        while k do t[k] = nil n = n + 1 k = next(t, k) end
        return n""",
    "clearing two tables at once": """
        local a, b, n = { x = 1, y = 2 }, { x = 1, y = 2, z = 3 }, 0
        local i, j = next(a), next(b)
        while i or j do
          if i then a[i] = nil n = n + 1 i = next(a, i) end
          if j then b[j] = nil n = n + 1 j = next(b, j) end
        end
        return n""",
    "the iterator of pairs with a key": """
        local f, t = pairs({ 10, 20, 30, 40 })
        return table.concat({ f(t, 3), f(t, 3) }, ' ')""",
    "the iterator of pairs on another table": "local f = pairs({ 1 }) return (f({ 7, 8 }, 1))",
    "the end of a walk": "local f, t = pairs({ 1 }) return tostring(f(t, 1)) .. tostring(f(t, 1)) .. tostring(f(t))",
    "the end of next": "return select('#', next({})) .. select('#', next({ 1 }, 1))",
    "closing the main coroutine": "return select(2, pcall(coroutine.close))",
    "values of resume": "return select('#', coroutine.resume(coroutine.create(function() end)))",
    "values of wrap": "return select('#', coroutine.wrap(function() coroutine.yield() end)())",
    "methods of a class made after its objects": """
        local C = {} C.__index = C
        local o = setmetatable({}, C)
        function C.name() return 'C' end
        C.__call = function() return 'called' end
        local D = setmetatable({}, C) D.__index = D
        local p = setmetatable({}, D)
        D.more = 1
        return o.name() .. o() .. p.name() .. p.more .. tostring(getmetatable(C)) .. tostring(getmetatable(D) == C)""",
    "a class with a metatable": """
        local base = { __index = { x = 1 }, __newindex = function(t, k, v) rawset(t, k, v * 2) end }
        local M = setmetatable({}, base)
        local o = setmetatable({}, M)
        M.y = 2
        return M.x + M.y""",
    "items that a metatable makes": """
        local t = setmetatable({}, { __index = function(_, i) return i end, __len = function() return 4 end })
        local moved = table.concat(table.move(t, 1, 3, 2, {}), ',', 2)
        return table.concat(t, ',') .. select('#', table.unpack(t)) .. moved""",
    "inserting and removing by metamethods": """
        local store = { 1, 2, 3 }
        local t = setmetatable({}, { __index = store, __newindex = store, __len = function() return #store end })
        table.insert(t, 1, 'a') table.insert(t, 'z')
        return table.remove(t, 2) .. table.remove(t) .. table.concat(store, ',')""",
    "gsub with a table": "return (('hello world'):gsub('%w+', { hello = 'bye' }))",
    "a trimmed long text": "return #(('x'):rep(300) .. '  '):match('^%s*(.-)%s*$')",
}


@pytest.mark.parametrize("code", AGREE.values(), ids=AGREE.keys())
def test_it_does_what_plain_lua_does(code: str) -> None:
    assert run(code) == LuaRuntime().execute(f"return (function() {code}\nend)()")


def test_a_tail_call_keeps_a_line_of_the_script() -> None:
    assert run("local _, e = pcall(function() return string.format('%d', 'x') end) return e") == (
        "script.lua:1: bad argument #2 to 'format' (number expected, got string)"
    )


WEAK = {
    "set before": "local m = { __mode = 'v' } local t = setmetatable({}, m)",
    "set later": "local m = {} local t = setmetatable({}, m) m.__mode = 'v'",
    "another way to write it": "local m = {} local t = setmetatable({}, m) m['__' .. 'mode'] = 'v'",
    "set raw": "local m = {} local t = setmetatable({}, m) rawset(m, '__mode', 'v')",
    "a metatable that has one": "local m = setmetatable({}, {}) local t = setmetatable({}, m) m.__mode = 'v'",
    "one that it gets later": """
        local m = {}
        local t = setmetatable({}, m)
        setmetatable(m, { __index = {} })
        m.__mode = 'v'""",
    "its own metatable": "local m = {} setmetatable(m, m) local t = setmetatable({}, m) m.__mode = 'v'",
}


@pytest.mark.parametrize("how", WEAK)
def test_no_table_is_weak(how: str) -> None:
    code = f"""{WEAK[how]}
        for i = 1, 100 do t[i] = {{}} end
        for i = 1, 2e5 do local _ = {{ i }} end
        local n = 0
        for _ in pairs(t) do n = n + 1 end
        return n"""
    assert run(code) == 100


def test_no_finalizer_runs() -> None:
    code = """
        AMT.__gc = function() called = true end
        OBJ = nil
        local m = {}
        setmetatable({}, m)
        m.__gc = AMT.__gc
        for i = 1, 2e5 do local _ = { i } end
        return called == nil"""
    assert run(code, before="AMT = { __gc = function() end } OBJ = setmetatable({}, AMT)") is True


@pytest.mark.parametrize("keys", ["[print] = 1, [{}] = 2, [true] = 3", "[true] = 1, [{}] = 2, [print] = 3, x = 4"])
def test_of_several_invalid_keys_the_same_one_is_reported(keys: str) -> None:
    problem = "json.encode: not JSON-serializable: a table with a key of type boolean"
    assert run(f"local _, e = pcall(json.encode, {{ {keys} }}) return e") == problem
