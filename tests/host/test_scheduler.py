"""Tasks, waiting, errors with their tracebacks, and code that would crash lupa."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.errors import LuaError, LuaSyntaxError
from lua_host import CapturingHost, run


def failure(code: str) -> LuaError:
    """The error that a chunk raises."""
    with pytest.raises(LuaError) as caught:
        run(code)
    return caught.value


# Errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message", "value"),
    [
        ("error('text')", "script.lua:1: text", None),
        ("error('text', 0)", "text", None),
        ("error({code = 7, message = 'text'})", "text", {"code": 7, "message": "text"}),
        ("error({1, 2})", "(error object is a table value)", [1, 2]),
        ("error(5)", "5", None),
        ("error(true)", "true", None),
        ("error(print)", "(error object is a function value)", None),
        ("error({print})", "(error object is a table value)", None),
        ("error(json.null)", "null", None),
        ("error(probe.box())", "probe.Box", None),
        ("error(setmetatable({a = 1}, {__tostring = function(e) return 'a is ' .. e.a end}))", "a is 1", {"a": 1}),
        ("error(setmetatable({}, {__tostring = error}))", "(error object is a table value)", {}),
        ("error(setmetatable({}, {__tostring = function() return {} end}))", "(error object is a table value)", {}),
        ("error(setmetatable({}, {__tostring = function() sleep(1) end}))", "(error object is a table value)", {}),
        ("error(setmetatable({}, {__index = error}))", "(error object is a table value)", {}),
        ("error(setmetatable({}, {__index = {message = 'inherited'}}))", "inherited", {}),
        ("error(setmetatable({}, {__metatable = {__tostring = 1}}))", None, {}),
        ("error(setmetatable({}, {__eq = error}))", "(error object is a table value)", {}),
        ("local x = nil; x.y = 1", "script.lua:1: attempt to index a nil value (local 'x')", None),
        ("sleep(0) local x = 1 + {}", "script.lua:1: attempt to perform arithmetic on a table value", None),
        ("coroutine.wrap(function() error({code = 8}) end)()", "(error object is a table value)", {"code": 8}),
        ("coroutine.wrap(function() sleep(0) error('deep') end)()", "script.lua:1: script.lua:1: deep", None),
        ("error('\\xff')", "script.lua:1: \ufffd", None),
        ("local function f() return f() + 1 end f()", "script.lua:1: stack overflow", None),
        ("local s = '' for _ = 1, 300 do s = string.rep('(', 300) end string.find('a', s)", None, None),
    ],
)
def test_an_error_keeps_its_value(code: str, message: str | None, value: Any) -> None:
    error = failure(code)
    assert message is None or error.message == message
    assert error.value == value


def test_a_traceback_has_only_files_and_lines_of_the_script() -> None:
    code = (
        "local function inner()\n  sleep(0)\n  fs.read('/nope')\nend\nlocal function outer()\n  inner()\nend\nouter()"
    )
    error = failure(code)
    assert error.message == "script.lua:3: fs.read: /nope: No such file or directory"
    assert error.traceback == (
        "stack traceback:\n"
        "\tscript.lua:3: in upvalue 'inner'\n"
        "\tscript.lua:6: in local 'outer'\n"
        "\tscript.lua:8: in main chunk"
    )
    assert (
        failure("error('x')").traceback == "stack traceback:\n\t[C]: in global 'error'\n\tscript.lua:1: in main chunk"
    )
    assert failure("local function f() return error('x') end sleep(0) f()").traceback.endswith("in main chunk")
    assert "[assay]" not in failure("async.all({async.spawn(function() probe.fail('refused') end)})").traceback
    assert failure("pcall(error) async.spawn(error, 'bare', 0).await()").message == "bare"


def test_a_syntax_error_names_file_and_line() -> None:
    with pytest.raises(LuaSyntaxError) as caught:
        run("local x = 1\nlocal = 2")
    assert caught.value.message.startswith("script.lua:2: ")


def test_closing_variables_may_wait_while_an_error_passes() -> None:
    lua = CapturingHost()
    with pytest.raises(LuaError, match="first"):
        lua.run("""
            local guard <close> = setmetatable({}, {__close = function(_, e)
              sleep(0.001)
              print("closed", e)
            end})
            error("first", 0)
        """)
    assert lua.output == b"closed\tfirst\n"


# asyncio -----------------------------------------------------------------------------------------------------


def in_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


PREAMBLE = """
import sys
before = set(sys.modules)
from assay.libraries import LIBRARIES
from assay.lua.host import Host
from assay.lua.loader import Finder
host = Host(LIBRARIES, Finder("."), sys.stdout.buffer.write, sys.stdout.buffer.flush)
def run(code): return host.run_sync(host.load(code, "script.lua"), ())
"""


def test_a_script_that_does_not_wait_imports_little() -> None:
    shown = in_new_process(PREAMBLE + "run(b'print(1)')\nprint(*sorted(set(sys.modules) - before))").split("\n")
    modules = shown[1].split()
    assert shown[0] == "1"
    assert not {"asyncio", "temporalio", "aiohttp", "orjson", "inspect"} & set(modules)
    assert len(modules) <= 60


def test_asyncio_is_imported_when_something_waits() -> None:
    code = PREAMBLE + "run(b'json.encode{1}')\nprint('asyncio' in sys.modules)\nrun(b'sleep(0)')\n"
    assert in_new_process(code + "print('asyncio' in sys.modules)") == "False\nTrue\n"


async def test_functions_run_concurrently_on_the_callers_loop() -> None:
    lua = CapturingHost()
    function = lua.host.load(b"local n = ... sleep(0.01) counter = (counter or 0) + 1 return n * 2", "script.lua")
    assert await asyncio.gather(*(function(n) for n in range(100))) == [n * 2 for n in range(100)]
    assert await lua.host.run(lua.host.load(b"return counter", "script.lua"), ()) == 100


async def test_a_cancelled_call_raises_in_lua_and_then_in_python() -> None:
    lua = CapturingHost()
    catches = lua.host.load(
        b"local ok, e = pcall(sleep, 60) print(ok, e, e.kind) sleep(0.001) return 'went on'", "script.lua"
    )
    lets_through = lua.host.load(b"sleep(60)", "script.lua")
    first, second = asyncio.ensure_future(catches()), asyncio.ensure_future(lets_through())
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    assert await first == "went on"
    with pytest.raises(asyncio.CancelledError):
        await second
    assert lua.output == b"false\tcancelled\tcancelled\n"


async def test_close_ends_spawned_tasks_and_reports_lost_errors(capfd: pytest.CaptureFixture[str]) -> None:
    lua = CapturingHost()
    await lua.host.run(
        lua.host.load(
            b"""
            keep = async.spawn(function() error("lost") end)
            awaited = async.spawn(function() error("awaited") end)
            async.spawn(function() while true do pcall(sleep, 60) end end)
            pcall(awaited.await)
            sleep(0.01)
            never_begins = async.spawn(print, "no")
            """,
            "script.lua",
        ),
        (),
    )
    await lua.host.close()
    assert not lua.host.tasks
    reported = capfd.readouterr().err
    assert reported == (
        "async: a spawned task failed and was never awaited: script.lua:2: lost [ASSAY1013]\n"
        "stack traceback:\n"
        "\t[C]: in global 'error'\n"
        "\tscript.lua:2: in function <script.lua:2>\n"
    )


async def test_a_lost_error_is_reported_when_its_handle_is_collected(capfd: pytest.CaptureFixture[str]) -> None:
    lua = CapturingHost()
    collected = b"collectgarbage() collectgarbage() sleep(0) sleep(0)"
    await lua.host.run(
        lua.host.load(
            b"do async.spawn(function() sleep(0.001) error('lost', 0) end) end sleep(0.01) " + collected, "x"
        ),
        (),
    )
    assert capfd.readouterr().err.startswith("async: a spawned task failed and was never awaited: lost [ASSAY1013]\n")
    await lua.host.run(
        lua.host.load(
            b"async.spawn(function() sleep(0.01) error('late', 0) end) sleep(0) "
            + collected
            + b" sleep(0.05) sleep(0.01) sleep(0.01)",
            "x",
        ),
        (),
    )
    assert capfd.readouterr().err.startswith("async: a spawned task failed and was never awaited: late [ASSAY1013]\n")
    await lua.host.close()
    assert capfd.readouterr().err == ""


async def test_outcomes_that_are_never_awaited_are_not_kept() -> None:
    lua = CapturingHost()
    weight = await lua.host.run(
        lua.host.load(
            b"""
            local function spawn_many()
              for i = 1, 200 do
                async.spawn(function() sleep(0) return ("x"):rep(100000) .. i end)
                async.spawn(sleep, 0).cancel()
              end
              sleep(0.01) sleep(0.01)
              collectgarbage() sleep(0) collectgarbage() sleep(0) collectgarbage()
              return collectgarbage("count")
            end
            local before = spawn_many()
            for _ = 1, 5 do spawn_many() end
            return spawn_many() - before
            """,
            "script.lua",
        ),
        (),
    )
    assert weight < 2000  # KiB; one round of outcomes would be 20,000
    assert not lua.host.tasks


async def test_an_interval_reports_errors_and_continues(capfd: pytest.CaptureFixture[str]) -> None:
    lua = CapturingHost()
    count = await lua.host.run(
        lua.host.load(
            b"""
            local n, interval = 0, nil
            interval = async.spawn_interval(function()
              n = n + 1
              if n == 2 then error("second") end
              if n == 4 then interval.cancel() error("not reported") end
            end, 1)
            interval.await()
            return n
            """,
            "script.lua",
        ),
        (),
    )
    assert count == 4
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith("Z ERROR async.spawn_interval: a call failed: script.lua:5: second [ASSAY1013]")


def test_exit_ends_the_script_from_anywhere() -> None:
    for code in (
        "os.exit(3)",
        "pcall(os.exit, 3) error()",
        "coroutine.wrap(function() os.exit(3) end)()",
        "sleep(0) os.exit(3)",
        "async.spawn(function() os.exit(3) end) while true do pcall(sleep, 1) end",
        "while true do pcall(os.exit, 3) end",
        "table.sort({1, 2, 3}, function() pcall(os.exit, 3) return false end)",
    ):
        with pytest.raises(SystemExit) as caught:
            run(code)
        assert caught.value.code == 3, code
    for argument, expected in (("", 0), ("true", 0), ("false", 1), ("5.0", 5)):
        with pytest.raises(SystemExit) as caught:
            run(f"os.exit({argument})")
        assert caught.value.code == expected
    assert failure("os.exit(1.5)").message == "script.lua:1: os.exit: bad argument 'code' (integer expected, got 1.5)"
    assert "boolean or number expected, got table" in failure("os.exit({})").message


def test_output_that_cannot_be_written_ends_an_endless_script() -> None:
    def write(_text: bytes) -> None:
        raise BrokenPipeError

    lua = CapturingHost()
    lua.host.callbacks._write = write
    for code in ("while true do print(1) end", "while true do pcall(print, 1) end"):
        with pytest.raises(BrokenPipeError):
            lua.run(code)


# Code that crashes lupa; each runs in a separate process -------------------------------------------------------

CRASHES = {
    "tables from coroutines that are collected": """
        for i = 1, 20000 do
          local co = coroutine.wrap(function() return json.encode(probe.echo({i, {x = "y"}})), probe.rest("a", {i}) end)
          co()
          if i % 1000 == 0 then collectgarbage() end
        end
    """,
    "builtins that raise after they received a table": """
        for i = 1, 20000 do
          coroutine.wrap(function() pcall(probe.words, {i, {}}) pcall(probe.options, {name = {}}) end)()
          if i % 1000 == 0 then collectgarbage() end
        end
    """,
    "functions from coroutines that are collected": """
        for i = 1, 5000 do
          coroutine.wrap(function() probe.hold(function() return i end) end)()
          if i % 500 == 0 then collectgarbage() end
        end
    """,
    "errors that are tables": "for i = 1, 2000 do pcall(probe.call, function() error({i}) end) end",
    "a table that raises when it is written": """
        local t = setmetatable({}, {__newindex = error, __index = error, __len = error, __pairs = error})
        pcall(probe.echo, t) pcall(probe.echo, {t}) pcall(json.encode, t) pcall(print, t)
    """,
    "tables that occur twice": "local t = {1} assert(#probe.echo({t, t})[2] == 1)",
    "bytes that are not UTF-8": "for i = 0, 255 do probe.data(string.char(i)) probe.echo({string.char(i)}) end",
    "big integers and odd floats": "probe.echo({math.maxinteger, math.mininteger, 0/0, 1/0, -1/0, -0.0})",
    "collection while Python calls": """
        for i = 1, 3000 do
          local b = probe.box(i)
          setmetatable({}, {__gc = function() pcall(probe.echo, {i}) end})
          if i % 100 == 0 then collectgarbage() end
        end
    """,
    "tasks dropped while they wait": """
        for i = 1, 2000 do
          local co = coroutine.create(function() local t = {i} sleep(60) return t end)
          async.spawn(function() coroutine.resume(co) end)
        end
        sleep(0.01)
    """,
    "deep recursion through Python": "local function f(n) return n == 0 and 0 or probe.call(f, n - 1) end f(150)",
    "a C stack overflow": """
        local function deep(n) return (("x"):gsub("x", function() return n == 0 and "" or deep(n - 1) end)) end
        assert(not pcall(deep, 100000))
        local t = {} for _ = 1, 100000 do t = setmetatable({}, {__index = t}) end
        pcall(function() return t.x end)
    """,
    "builtins that find the C stack full": """
        local function deep(n, fn) return n == 0 and fn() or coroutine.wrap(deep)(n - 1, fn) end
        for n = 250, 150, -1 do pcall(deep, n, function() return json.encode({ 1 }) end) end
        for n = 150, 250 do
          local ok, result = pcall(deep, n, function() return base64.encode("x") end)
          assert(ok and result == "eA==" or not ok and result:find("C stack overflow$"))
        end
    """,
}


@pytest.mark.parametrize("code", CRASHES.values(), ids=CRASHES.keys())
def test_nothing_crashes_the_process(code: str) -> None:
    program = "import lua_host, sys\nlua_host.run(sys.argv[1])\nprint('alive')"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program, code],
        cwd=Path(__file__).parent.parent / "support",
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_states_are_dropped_whole() -> None:
    import weakref

    weak = []
    for _ in range(20):
        lua = CapturingHost()
        lua.run("kept = probe.box({1}) callback = function() end probe.hold(callback) probe.echo({1})")
        weak.append(weakref.ref(lua.host))
    del lua
    gc.collect()
    assert [reference() for reference in weak] == [None] * 20
