"""The CPU and memory limits of a run: no code escapes them, and no message of a script is mistaken for one."""

from __future__ import annotations

import time

import pytest

from assay.errors import LuaError
from assay.temporal.workflow.sandbox.errors import HostFailure
from workflow_state import WorkflowState, run

CPU = "took more than 0.2 s of CPU"
MEMORY = "needs more than 16 MB"

BUSY = {
    "the text of an error": "error(setmetatable({}, { __tostring = function() while true do end end }))",
    "the message of an error": "error(setmetatable({}, { __index = function() while true do end end }))",
    "a balance that is never found": "return (('('):rep(6e5)):find('%b()')",
    "a pattern that goes back": "return ('a'):rep(1e5):find(('a-'):rep(50) .. 'b')",
    "a pattern of an assertion": "assert.matches(('x'):rep(1e6), 'x-y')",
    "a class that is compared": "return (('b'):rep(1e6)):find('[' .. ('a'):rep(9000) .. ']')",
    "a replacement from a table": "return (('x'):rep(5e6):gsub('x', { x = 'y' }))",
    "long strings after a fast start": "local s = ('x'):rep(4 << 20) for i = 1, 3e5 do end while true do s:upper() end",
    "long strings that are compared": """
        local s = 'x' for i = 1, 21 do s = s .. s end
        local a, b = s .. 'y', s .. 'y'
        for i = 1, 3e5 do end
        local n = 0
        while true do if a == b then n = n + 1 end end""",
    "long numbers": "local s = ('0'):rep(4 << 20) for i = 1, 3e5 do end while true do tonumber(s) end",
    "large tables": """
        local t = {} for i = 1, 1e5 do t[i] = '' end
        for i = 1, 3e5 do end
        while true do table.concat(t) end""",
    "a library of Python's": """
        local s = ('a'):rep(8000)
        for i = 1, 1e5 do end
        while true do regex.find_all(s, 'a*b|a') end""",
    "a length that is made up": "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 'x')",
    "items that are removed": "table.remove(setmetatable({}, { __len = function() return math.maxinteger end }), 1)",
    "items that are made up": "return #table.concat(setmetatable({}, { __index = type }), '', 1, 1 << 40)",
    "a loop in a coroutine": "while true do pcall(coroutine.wrap(function() while true do end end)) end",
    "a sort": "local t = {} for i = 1, 1e6 do t[i] = -i end while true do table.sort(t) end",
}


@pytest.mark.parametrize("code", BUSY.values(), ids=BUSY.keys())
def test_a_busy_run_is_stopped(code: str) -> None:
    state = WorkflowState(code, cpu_seconds=0.2)
    began = time.thread_time()
    with pytest.raises(HostFailure, match=CPU):
        state.run()
    assert time.thread_time() - began < 1  # without the limit it would run for minutes


TOO_LONG = {
    "a pattern": ("('x'):find('[' .. ('a'):rep(20000) .. ']')", "a pattern of 20002 bytes is too long"),
    "a date": ("os.date(('%c'):rep(1000))", "a format of 2000 bytes is too long"),
    "a packed format": ("string.packsize(('b'):rep(20000))", "a format of 20000 bytes is too long"),
    "a move of floats": ("table.move({}, 1, 1e9, 2)", "table.move: 999999999 items are too many for a workflow"),
    "a move of strings": ("table.move({}, '1', '9e15', 2)", "table.move: 8999999999999999 items are too many"),
    "a search of an assertion": (
        "assert.contains(('x'):rep(1e6), ('x'):rep(1e4) .. 'y')",
        "is too expensive for a workflow",
    ),
    "a plain search": ("('x'):rep(1e6):find(('x'):rep(1e4) .. 'y', 1, true)", "is too expensive for a workflow"),
}


@pytest.mark.parametrize(("code", "text"), TOO_LONG.values(), ids=TOO_LONG.keys())
def test_expensive_calls_are_refused(code: str, text: str) -> None:
    with pytest.raises(LuaError, match=f"script.lua:1: .*{text}"):
        run(f"local r = {code} return r")


@pytest.mark.parametrize("character", ["'\\\\'", "'\"'"])
def test_pretty_json_takes_linear_time(character: str) -> None:
    began = time.thread_time()
    assert run(f"return #json.encode(({character}):rep(1e5) .. 'x', {{ pretty = true }})") == 200003
    assert time.thread_time() - began < 1  # one escape at a time took a minute


FULL = {
    "a table": "local t = {} while true do t[#t + 1] = { ('x'):rep(1000) .. #t } end",
    "a caught string": "while true do pcall(string.rep, 'x', 1e10) end",
    "a coroutine": "return coroutine.resume(coroutine.create(function() return ('x'):rep(1e10) end))",
    "JSON": "return pcall(json.encode, { a = ('x'):rep(7 << 20) })",
    "a result": "return { a = ('x'):rep(7 << 20) }",
    "the text of an error": "error(setmetatable({}, { __tostring = function() return ('x'):rep(1e10) end }))",
    "the stack": "local function f() return 1 + f() end return pcall(f)",
}


@pytest.mark.parametrize("code", FULL.values(), ids=FULL.keys())
def test_no_way_to_need_memory_is_an_error_of_the_script(code: str) -> None:
    with pytest.raises(HostFailure, match=MEMORY):
        run(code, memory_mb=16, cpu_seconds=20)


DEEP = {
    "calls": "local function f() return 1 + f() end return pcall(f)",
    "coroutines": "local function f() return coroutine.wrap(f)() end return pcall(f)",
    "callbacks": "local function f() return ('x'):gsub('x', f) end return pcall(f)",
}


@pytest.mark.parametrize("code", DEEP.values(), ids=DEEP.keys())
def test_calls_that_are_nested_too_deep_are_no_error_of_the_script(code: str) -> None:
    with pytest.raises(HostFailure, match="nested too deep"):
        run(code, memory_mb=256, cpu_seconds=20)


@pytest.mark.parametrize("call", ["base64.encode('x')", "json.encode('eA==')"])
def test_a_builtin_that_finds_the_c_stack_full_is_no_error_of_the_script(call: str) -> None:
    outcomes = set()
    for depth in range(85, 105):
        code = f"local function f(n) if n == 0 then return {call} end return coroutine.wrap(f)(n - 1) end"
        try:
            run(f"{code} pcall(f, {depth})")
            outcomes.add("done")
        except HostFailure as failure:
            outcomes.add(str(failure).removeprefix("WorkflowLimitError: ").replace("script.lua:1: ", ""))
    assert outcomes == {"done", "calls nested too deep: C stack overflow"}


@pytest.mark.parametrize("text", ["not enough memory", "stack overflow", "C stack overflow", "order 7: stack overflow"])
@pytest.mark.parametrize(
    "code",
    [
        "local _, e = pcall(error, text, 0) return e",
        "local _, e = coroutine.resume(coroutine.create(function() error(text, 0) end)) return e",
        "local _, e = pcall(coroutine.wrap(function() error(text, 0) end)) return e",
        "local _, e = xpcall(error, function(e) return e end, text, 0) return e",
        "local _, e = pcall(string.gsub, 'x', 'x', function() error(text, 0) end) return e",
    ],
)
def test_a_text_is_no_limit(text: str, code: str) -> None:
    assert run(f"local text = {text!r} {code}") == text
    with pytest.raises(LuaError, match=text):
        run(f"error({text!r}, 0)")


def test_snapshots_of_deep_and_of_large_values() -> None:
    before = """
        local list, others = nil, {}
        for i = 1, 20000 do list = { next = list, value = i } others["key" .. i] = { i } end
    """
    began = time.thread_time()
    assert run("return { list.value, list.next.value, others.key7[1] }", before=before) == [20000, 19999, 7]
    assert time.thread_time() - began < 5  # paths that grow with the depth took minutes
