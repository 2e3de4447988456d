"""Scripts cannot use a Python object that gets into a Lua state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from assay.libraries import LIBRARIES
from assay.lua.callbacks import Callbacks
from assay.lua.function import LuaFunction
from assay.temporal.workflow.sandbox.host import WorkflowHost
from assay.temporal.workflow.sandbox.limits import WorkflowLimits
from lua_host import CapturingHost
from workflow_state import FixedClock


class Spy:
    """Records every operation on it."""

    def __init__(self) -> None:
        self.__dict__["noted"] = []

    def _note(self, what: str) -> None:
        self.__dict__["noted"].append(what)

    def __getattr__(self, name: str) -> Any:
        self._note(f"read {name}")
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        self._note(f"write {name}")

    def __call__(self, *arguments: Any) -> Any:
        self._note("call")
        return self

    def __getitem__(self, key: Any) -> Any:
        self._note("read item")
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        self._note("write item")

    def __len__(self) -> int:
        self._note("length")
        return 1

    def __iter__(self) -> Any:
        self._note("walk")
        return iter(())

    def __str__(self) -> str:
        self._note("text")
        return "spy"


OPERATIONS = """
local u, results = leak, {}
local function try(name, fn, ...)
  local ok, result = pcall(fn, ...)
  if ok and result ~= nil and result ~= false and result ~= "userdata" and not rawequal(result, u) then
    results[#results + 1] = name .. ": " .. type(result) .. " " .. tostring(result)
  end
end
assert(type(u) == "userdata")
local E = { "call", "index", "newindex", "len", "concat", "add", "lt", "le", "unm", "close", "pairs", "name",
  "tostring", "gc", "mode", "eq", "div", "idiv", "band", "shl", "pow", "mod", "bnot" }
try("call", function() return u() end)
try("call with itself", function() return u(u, "__class__") end)
try("method", function() return u:__class__() end)
for _, key in ipairs({ "__class__", "__call__", "__dict__", "noted", "__init__", 1, true, u }) do
  try("index", function() return u[key] end)
  try("newindex", function() u[key] = 1 end)
  try("rawget", rawget, u, key)
  try("rawset", rawset, u, key, 1)
  try("next", next, u, key)
end
try("length", function() return #u end)
try("rawlen", rawlen, u)
try("concat", function() return u .. "" end)
try("add", function() return u + 1 end)
try("minus", function() return -u end)
try("bits", function() return u | 1 end)
try("less", function() return u < u end)
try("less or equal", function() return u <= u end)
try("equal", function() return u == {} end)
try("walk", function() for k, v in u do return k end end)
try("pairs", function() for k, v in pairs(u) do return k end end)
try("ipairs", function() for k, v in ipairs(u) do return k end end)
try("closed", function() local x <close> = u end)
try("tostring", tostring, u)
try("format", string.format, "%s", u)
try("tonumber", tonumber, u)
try("getmetatable", getmetatable, u)
try("setmetatable", setmetatable, u, {})
try("pcall", function() local ok, r = pcall(u) return ok and r end)
try("xpcall", function() local ok, r = xpcall(u, u) return ok and r end)
try("handler", function() local ok, r = xpcall(error, u, "x") return ok and r end)
try("coroutine", function() return coroutine.wrap(u)() end)
try("coroutine status", coroutine.status, u)
try("error", function() error(u) end)
try("a method of strings", string.upper, u)
try("rep", string.rep, u, 2)
try("gsub", function() local r = string.gsub("x", "x", u) return r ~= "x" and r end)
try("unpack", table.unpack, u)
try("concat of a table", table.concat, { u })
try("sort", table.sort, { 2, 1 }, u)
try("sorted", table.sort, { u, u })
try("require", require, u)
try("json", json.encode, { u })
try("as an argument", crypto.hash, u)
try("as a table", json.encode, u)
for _, event in ipairs(E) do
  local t = {}
  try("as a metatable's __" .. event, function()
    setmetatable(t, { ["__" .. event] = u })
    local r = t.x
    return r
  end)
  try("called as __" .. event, function() return t() end)
  try("walked as __" .. event, function() for k in pairs(t) do return k end end)
  try("text as __" .. event, function() local s = tostring(t) return not s:find("userdata") and not s:find("table") end)
end
return table.concat(results, "; ")
"""

Way = Callable[[Any, Spy, pytest.MonkeyPatch], None]


def by_argument(host: Any, spy: Spy, patch: pytest.MonkeyPatch) -> None:
    host.state.invoke(b"set_global", b"leak", spy)


def by_field(host: Any, spy: Spy, patch: pytest.MonkeyPatch) -> None:
    host.state._host[b"globals"][b"leak"] = spy


def by_table(host: Any, spy: Spy, patch: pytest.MonkeyPatch) -> None:
    table = host.state._runtime.table_from({b"deep": spy})
    chunk = b"local host, table = ... host.set_global('leak', table.deep)"
    host.state._runtime.compile(chunk, mode="t")(host.state._host, table)


def by_result(host: Any, spy: Spy, patch: pytest.MonkeyPatch) -> None:
    """A callback returns a value that is not plain."""
    patch.setattr(Callbacks, "methods", {**Callbacks.methods, b"write": lambda self, text: spy})
    chunk = b"local host = ... host.set_global('leak', host.ask('write', ''))"
    host.state._runtime.compile(chunk, mode="t")(host.state._host)


def by_results(host: Any, spy: Spy, patch: pytest.MonkeyPatch) -> None:
    """A callback returns several values, of which the second is not plain."""
    patch.setattr(Callbacks, "methods", {**Callbacks.methods, b"write": lambda self, text: (1, spy)})
    chunk = b"local host = ... local _, leak = host.ask('write', '') host.set_global('leak', leak)"
    host.state._runtime.compile(chunk, mode="t")(host.state._host)


WAYS: dict[str, Way] = {
    "argument": by_argument,
    "field": by_field,
    "table": by_table,
    "result": by_result,
    "results": by_results,
}


def workflow_host() -> WorkflowHost:
    host = WorkflowHost(LIBRARIES, WorkflowLimits(), FixedClock(), is_copy=True)
    host.state.invoke(b"be_copy", False)
    return host


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["script", "workflow"])
def test_no_operation_on_a_userdata_does_anything(way: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host = CapturingHost().host if kind == "script" else workflow_host()
    spy = Spy()
    WAYS[way](host, spy, monkeypatch)
    before = list(spy.noted)
    function = LuaFunction(host, host.state.invoke(b"load_chunk", OPERATIONS.encode(), b"=script"))
    _task, event = host.begin_task(function, (), b"wire")
    assert event[0] == b"done", event
    assert event[1:] == (b"",)
    assert spy.noted == before


class Stray(BaseException):
    """An exception raised asynchronously in a callback, like KeyboardInterrupt."""


CATCHERS = {
    "pcall": "local ok, e = pcall(probe.echo, 1) see(e)",
    "xpcall": "xpcall(probe.echo, see, 1)",
    "coroutine": "local ok, e = coroutine.resume(coroutine.create(probe.echo), 1) see(e)",
    "wrap": "local ok, e = pcall(coroutine.wrap(probe.echo), 1) see(e)",
    "close": "local x <close> = setmetatable({}, { __close = function(_, e) see(e) end }) probe.echo(1)",
    "comparator": "pcall(table.sort, { 1, 2 }, function(a, b) see(select(2, pcall(probe.echo, 1))) return a < b end)",
    "loop": "while true do pcall(probe.echo, 1) end",
}


@pytest.mark.parametrize("how", CATCHERS)
def test_exceptions_of_python_reach_no_lua_handler(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    call = Callbacks.call
    calls = 0

    def interrupted(self: Callbacks, index: int, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Stray
        return call(self, index, *arguments)

    monkeypatch.setattr(Callbacks, "call", interrupted)
    lua = CapturingHost()
    monkeypatch.setattr(lua.host.callbacks, "_write", seen.append)
    with pytest.raises(Stray):
        lua.run(f"local function see(e) print(type(e)) end probe.echo(1) {CATCHERS[how]}")
    assert b"userdata\n" not in seen
