"""Parts of a workflow's state that are loaded at their first use: the time of loading makes no difference.

`tests/engine/test_lazy_libraries.py` has what needs no server.
"""

from __future__ import annotations

import random

from workflow_session import Session

WORKER = """
-- Each uses a part of the state that is loaded late.
local USES = {
  activity = function(ctx) return ctx:execute_activity("echo", { a = { 1, 2, { b = "ä" } } }).a[3].b end,
  bad_activity_input = function(ctx) return tostring(select(2, pcall(ctx.execute_activity, ctx, "echo", print))) end,
  json = function() return json.encode(json.parse('{"x":[1,null,2.5]}')) end,
  format_table = function() return ("%s %5.2f"):format({}, 1.5) .. " " .. ("banana"):gsub("a", "o") end,
  sort = function()
    local t = { 3, 1, 2 }
    table.sort(t)
    return table.concat(t, ",")
  end,
  pairs = function()
    local count = 0
    for _ in pairs({ b = 1, a = 2, [3] = 4 }) do count = count + 1 end
    return count
  end,
  next = function() return next({ x = 1 }) end,
  coroutine = function()
    local f = coroutine.wrap(function(a) return coroutine.yield(a) + 1 end)
    return f(1) + f(2)
  end,
  time = function() return os.time() > 0 and os.date("%Y", 0) .. os.time({ year = 2000, month = 1, day = 1 }) end,
  random = function() return math.random(1 << 40) + math.floor(2.5) end,
  tostring_table = function()
    return tostring(setmetatable({}, { __tostring = function() return "mine" end })) .. tostring({})
  end,
  xpcall = function() return (select(2, xpcall(error, function(e) return e .. "!" end, "x"))) end,
  side_effect = function(ctx) return ctx:side_effect(function() return 7 end) end,
  bad_timer = function(ctx) return tostring(select(2, pcall(ctx.start_timer, ctx, "soon"))) end,
  spawn = function(ctx) return ctx:spawn(function(a) return a end, 5):get() end,
  condition = function(ctx) return ctx:wait_condition(function() return true end) end,
  utf8 = function() return utf8.char(228, 8364) .. utf8.len("äö") end,
}

local workflows = {}

function workflows.Uses(ctx, names)
  local results = {}
  for _, name in ipairs(names) do
    results[name] = tostring((USES[name](ctx)))
    ctx:execute_activity("echo", { name, results[name] })
  end
  return results
end

-- Replaces all that a workflow can replace by functions that fail.
local function spoil()
  local function bad()
    local no = nil
    return no.way
  end
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

function workflows.Spoiled(ctx)
  spoil()
  local result = {}
  result.activity = ctx:execute_activity("echo", { a = { 1, 2, { b = "say \\\\n" } } })
  result.future = ctx:start_activity("echo", "text"):get()
  ctx:await_all({ ctx:start_timer(0.01) })
  result.condition = ctx:wait_condition(function() return true end)
  result.side_effect = ctx:side_effect(function() return { 7 } end)
  result.task = ctx:spawn(function(a) return a end, 7):get()
  ctx:register_query("result", function() return result end)
  result.is_patched = ctx:patched("new")
  result.uuid_length = #ctx:uuid()
  result.workflow_type = ctx:workflow_info().workflow_type
  return result
end

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { echo = function(input) return input end },
  workflows = workflows,
})
print("polling")
"""

USES = [
    *("activity", "bad_activity_input", "bad_timer", "condition", "coroutine", "format_table", "json", "next", "pairs"),
    *("random", "side_effect", "sort", "spawn", "time", "tostring_table", "utf8", "xpcall"),
]

DIFFER = {"random", "format_table", "tostring_table"}
"""Uses whose results depend on what was drawn or numbered before: random numbers, and the numbers of tables."""


async def test_ctx_needs_nothing_that_a_workflow_can_replace(session: Session) -> None:
    assert await session.run("Spoiled") == {
        "activity": {"a": [1, 2, {"b": "say \\n"}]},
        "future": "text",
        "condition": True,
        "side_effect": [7],
        "task": 7,
        "is_patched": True,
        "uuid_length": 36,
        "workflow_type": "Spoiled",
    }


async def test_the_order_of_first_uses_makes_no_difference(session: Session) -> None:
    orders = [random.Random(seed).sample(USES, len(USES)) for seed in range(6)]
    handles = [await session.start("Uses", order) for order in orders]
    found: dict[str, set[str]] = {use: set() for use in USES}
    for handle in handles:
        results = await session.end(handle)
        assert set(results) == set(USES)
        for use, result in results.items():
            found[use].add(result)
    assert {use for use, results in found.items() if len(results) > 1} <= DIFFER, found


async def test_parts_that_are_loaded_late_give_the_results_of_lua(session: Session) -> None:
    results = await session.run("Uses", USES)
    assert results["json"] == '{"x":[1,null,2.5]}'
    assert results["time"] == "1970946728000"
    assert results["xpcall"] == "x!"
    assert results["utf8"] == "ä€2"
