"""The order of `pairs`, `next` and `tostring` for objects: one that a replay repeats, although addresses differ."""

from __future__ import annotations

from temporal_script import Script
from workflow_session import worker

ORDER = """
local activities = {}
for i = 1, 12 do activities["step" .. i] = function() return i end end

local Color = {}
Color.__index = Color
Color.__tostring = function(color) return color.name end
local colors = {}
for i, name in ipairs({ "red", "green", "blue" }) do colors[setmetatable({ name = name }, Color)] = i end

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = activities,
  workflows = {
    -- A replay compares the names of activities: they tell in which order the keys came.
    Keys = function(ctx, kind)
      local Point = {}
      local make = {
        futures = function() return ctx:start_timer(0.01) end,
        instances = function(i) return setmetatable({ i }, Point) end,
        coroutines = function() return coroutine.create(print) end,
        printed = function() local t = {} tostring(t) return t end,
        met = function() local t = {} for _ in pairs({ [t] = true }) do end return t end,
        plain = function(i) return { id = i + 100, tags = { "a", [true] = i } } end,
        circles = function(i) local t = { i + 100 } t.itself = t return t end,
        closures = function(i) i = i + 100 return function() return i end end,
      }
      local set, rubbish = {}, {}
      for i = 1, 12 do
        rubbish[i] = ("x"):rep(i * 100)
        set[make[kind](i)] = i
      end
      set.name, set[1], set[true] = 0, 0, 0
      local order = {}
      for _, i in pairs(set) do
        order[#order + 1] = i
        if i > 0 then ctx:execute_activity("step" .. i) end
      end
      local same, key, value = {}, next(set)
      while key ~= nil do
        same[#same + 1] = value
        key, value = next(set, key)
      end
      return { order, table.concat(order) == table.concat(same) }
    end,
    -- Instances that the script has made before.
    Instances = function(ctx)
      local order = {}
      for color, i in pairs(colors) do
        order[#order + 1] = tostring(color)
        ctx:execute_activity("step" .. i)
      end
      return order
    end,
    -- Nothing is sorted for a first key: a table is drained within the CPU limit.
    Drained = function()
      local queue, first = {}, {}
      for i = 1, 2000 do queue["job" .. i] = i end
      for i = 1, 500 do assert(next(queue) == "job1") end
      while next(queue) do
        local key = next(queue)
        queue[key] = nil
        if #first < 3 then first[#first + 1] = key end
      end
      return { first, next({ [true] = 1, b = 2, a = 3, [7] = 4, [2.5] = 5 }), next({ [true] = 1, [false] = 2 }),
        next({ [print] = 1 }) == print, next({}) == nil }
    end,
    Strangers = function()
      local ok, err = pcall(pairs, { [{}] = 1, [{}] = 2 })
      local function twin() return function() end end
      local loop, text = pcall(function() for _ in pairs({ [twin()] = twin, [function() return twin end] = 2,
        [{}] = 3, [{}] = 4 }) do end end)
      local order = {}
      for _, i in pairs({ [twin] = 1, [print] = 2, [string.rep] = 3, [{ "x" }] = 4, [{}] = 5 }) do
        order[#order + 1] = i
      end
      return { ok, err, loop, text, order }
    end,
  },
})
print("polling")
"""


async def test_objects_as_keys_come_in_an_order_that_a_replay_repeats(lua: Script, name: str) -> None:
    async with worker(lua, name, ORDER) as session:
        kinds = ("futures", "instances", "coroutines", "printed", "met", "plain", "circles", "closures")
        handles = [await session.start("Keys", kind) for kind in kinds]
        for handle in handles:
            assert await session.end(handle) == [[0, 0, 0, *range(1, 13)], True]
        assert await session.run("Instances") == ["red", "blue", "green"]  # by length, then by text
        assert await session.run("Drained") == [["job1", "job10", "job100"], 2.5, False, True, True]
        ok, error, loop, text, order = await session.end(await session.start("Strangers"))
        assert (ok, loop) == (False, False)
        assert order == [1, 2, 3, 4, 5]  # "(" of a function, names of Lua's own, "{" of a table
        refusal = "pairs: two keys are tables or functions with the same contents, which have no deterministic order"
        assert error.endswith(refusal)
        assert text.endswith(refusal)
        assert "worker.lua:" in text
