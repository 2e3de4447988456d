"""What of a workflow's state is loaded when it is first used: nobody notices when that is."""

from __future__ import annotations

import random
from typing import Any

import pytest

from assay.libraries import LIBRARIES
from assay.lua.host import Host
from assay.lua.loader import Finder
from assay.lua.values import Json
from assay.temporal.workflow.sandbox.errors import HostFailure
from assay.temporal.workflow.sandbox.host import WorkflowHost
from assay.temporal.workflow.sandbox.limits import WorkflowLimits
from temporal_script import Script
from workflow_session import worker
from workflow_state import Still

SPOILED = """
local USES = {
  function(ctx) return ctx:execute_activity("echo", { a = { 1, 2, { b = "ä" } } }).a[3].b end,
  function(ctx) return (select(2, pcall(ctx.execute_activity, ctx, "echo", print))) end,
  function() return json.encode(json.parse('{"x":[1,null,2.5]}')) end,
  function() return ("%s %5.2f"):format({}, 1.5) .. " " .. ("banana"):gsub("a", "o") end,
  function() local t = { 3, 1, 2 } table.sort(t) return table.concat(t, ",") end,
  function() local out = {} for k, v in pairs({ b = 1, a = 2, [3] = 4 }) do out[#out + 1] = k end return #out end,
  function() return next({ x = 1 }) end,
  function() local f = coroutine.wrap(function(a) return coroutine.yield(a) + 1 end) return f(1) + f(2) end,
  function() return os.time() > 0 and os.date("%Y", 0) .. os.time({ year = 2000, month = 1, day = 1 }) end,
  function() return math.random(1 << 40) + math.floor(2.5) end,
  function() return tostring(setmetatable({}, { __tostring = function() return "mine" end })) .. tostring({}) end,
  function() return (select(2, xpcall(error, function(e) return e .. "!" end, "x"))) end,
  function(ctx) return ctx:side_effect(function() return 7 end) end,
  function(ctx) return (select(2, pcall(ctx.start_timer, ctx, "soon"))) end,
  function(ctx) return ctx:spawn(function(a) return a end, 5):get() end,
  function(ctx) return ctx:wait_condition(function() return true end) end,
  function() return utf8.char(228, 8364) .. utf8.len("äö") end,
}

local function spoil()
  local function bad() local no = nil return no.way end
  getmetatable("").__index = function() return bad end
  for _, library in next, { "string", "table", "math", "os", "coroutine", "utf8", "json", "crypto" } do
    for _, name in next, { "find", "format", "gsub", "match", "sub", "byte", "pack", "unpack", "concat", "type",
      "floor", "time", "create", "resume", "yield", "running", "status", "len", "char", "encode", "decode" } do
      rawset(_G[library], name, bad)
    end
  end
  for _, name in next, { "error", "pairs", "next", "type", "select", "pcall", "tostring", "tonumber", "rawget",
    "rawset", "rawequal", "setmetatable", "getmetatable", "ipairs", "print", "require", "assert", "xpcall" } do
    _G[name] = bad
  end
end

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { echo = function(input) return input end },
  workflows = {
    -- All uses in an order of their own, so that each is sometimes the first.
    Uses = function(ctx, order)
      local out = {}
      for i = 1, #order do
        out[i] = { USES[order[i]](ctx) }
        ctx:execute_activity("echo", { order[i], tostring(out[i][1]) })
      end
      return out
    end,
    -- ctx itself needs nothing that a workflow can replace.
    Spoiled = function(ctx)
      spoil()
      local got = ctx:execute_activity("echo", { a = { 1, 2, { b = "say \\\\n" } } })
      local future = ctx:start_activity("echo", "text")
      local text = future:get()
      local timer = ctx:start_timer(0.01)
      ctx:await_all({ timer })
      ctx:wait_condition(function() return true end)
      local effect = ctx:side_effect(function() return { 7 } end)
      local seven = ctx:spawn(function(a) return a end, 7):get()
      ctx:register_query("state", function() return got end)
      return { got, text, effect, seven, ctx:patched("new"), #ctx:uuid(), ctx:workflow_info().workflow_type }
    end,
    Libraries = function(ctx)
      local before = { rawget(math, "pi") ~= nil, next(table) ~= nil, getmetatable(utf8) == nil, rawlen(os) }
      local names = {}
      for name in next, coroutine do names[#names + 1] = name end
      rawset(string, "upper", function() return "mine" end)
      function string.shout(s) return s:upper() .. "!" end
      function math.half(n) return n / 2 end
      setmetatable(math, { __call = function(_, n) return math.half(n) end })
      local find, same = string.find, string.find == ("").find
      return { before, table.concat(names, " "), ("x"):shout(), math(5), same, find("abc", "c") }
    end,
  },
})
print("polling")
"""


async def test_late_parts_need_nothing_that_a_workflow_can_replace(lua: Script, name: str) -> None:
    async with worker(lua, name, SPOILED) as session:
        got = await session.run("Spoiled")
        assert got == [{"a": [1, 2, {"b": "say \\n"}]}, "text", [7], 7, True, 36, "Spoiled"]


async def test_what_is_used_first_makes_no_difference(lua: Script, name: str) -> None:
    async with worker(lua, name, SPOILED) as session:
        orders = [random.Random(seed).sample(range(1, 18), 17) for seed in range(6)]
        handles = [await session.start("Uses", order) for order in orders]
        found: dict[int, set[str]] = {}
        for order, handle in zip(orders, handles, strict=True):
            for use, result in zip(order, await session.end(handle), strict=True):
                found.setdefault(use, set()).add(str(result[0]))
        # Random numbers and those of objects are the run's own.
        assert {use for use, results in found.items() if len(results) > 1} <= {4, 10, 11}, found
        assert found[3] == {'{"x":[1,null,2.5]}'}
        assert found[9] == {"1970946728000"}
        assert found[12] == {"x!"}
        assert found[17] == {"ä€2"}


async def test_a_library_is_whole_before_it_was_used(lua: Script, name: str) -> None:
    async with worker(lua, name, SPOILED) as session:
        before, names, shouted, half, same, *found = await session.run("Libraries")
        assert before == [True, True, True, 0]
        assert names == "close create isyieldable resume running status wrap yield"
        assert (shouted, half, same, found) == ("mine!", 2.5, True, [3, 3])


USES = (
    'string.format("%s", {})',
    'os.date("%Y", 0)',
    'json.encode({ a = 1, b = "x" })',
    "coroutine.wrap(print)",
    "table.sort({ 2, 1 })",
    'pcall(error, "x")',
    'pcall(ctx.execute_activity, ctx, "a", { x = { print } })',
    'pcall(ctx.patched, ctx, {}, "b")',
    'tostring(1):find("a-b")',
    "for _ in pairs(utf8) do end",
)


@pytest.mark.parametrize("use", USES)
def test_a_full_state_is_told_of_whatever_is_loaded_then(use: str) -> None:
    host = Host(LIBRARIES, Finder("."), lambda _: None)
    script = f"function W(ctx, size) kept = {{}} for i = 1, size do kept[i] = ('x'):rep(1000) .. i end {use} end"
    host.run_sync(host.load(script.encode(), "script.lua"), ())
    function = host.find_function("W")
    assert function is not None
    snapshot = host.snapshot(function, "a workflow")
    ends: list[Any] = []
    for size in range(0, 1000, 20):
        run = WorkflowHost(LIBRARIES, WorkflowLimits(memory_mb=1), Still())
        task = run.begin(snapshot, object(), [Json(str(size).encode())])
        try:
            event = run.step(task)
        except HostFailure as failure:
            ends.append(str(failure.cause))
        else:
            ends.append("" if event[0] == b"done" else event)
        run.state.close()
    limit = "the workflow needs more than 1 MB (workflow_limits.memory_mb)"
    assert set(ends) == {"", limit}
    assert ends == sorted(ends)  # once it is full it stays so
