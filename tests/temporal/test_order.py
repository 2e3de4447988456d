"""`pairs` and `next` visit objects in an order that a replay in another process repeats, although addresses differ.

`tests/engine/test_determinism.py` has the order of keys that are no objects.
"""

from __future__ import annotations

import pytest

from workflow_session import Session

WORKER = """
-- A replay compares the names of activities: they record in which order the keys came.
local activities = {}
for i = 1, 12 do activities["step" .. i] = function() return i end end

local Color = {}
Color.__index = Color
Color.__tostring = function(color) return color.name end
local colors = {}
for i, name in ipairs({ "red", "green", "blue" }) do colors[setmetatable({ name = name }, Color)] = i end

local workflows = {}

-- Visit the keys of a table, which are 12 objects of a kind and three values; return the values in both orders.
function workflows.Keys(ctx, kind)
  local Point = {}
  local make = {
    futures = function() return ctx:start_timer(0.01) end,
    instances = function(i) return setmetatable({ i }, Point) end,
    coroutines = function() return coroutine.create(print) end,
    ["tables that were printed"] = function() local t = {} tostring(t) return t end,
    ["tables that were keys before"] = function() local t = {} for _ in pairs({ [t] = true }) do end return t end,
    ["tables with contents"] = function(i) return { id = i + 100, tags = { "a", [true] = i } } end,
    ["tables that hold themselves"] = function(i) local t = { i + 100 } t.itself = t return t end,
    closures = function(i) i = i + 100 return function() return i end end,
  }
  local set, rubbish = {}, {}
  for i = 1, 12 do
    rubbish[i] = ("x"):rep(i * 100) -- so that addresses differ
    set[make[kind](i)] = i
  end
  set.name, set[1], set[true] = 0, 0, 0
  local by_pairs, by_next = {}, {}
  for _, i in pairs(set) do
    by_pairs[#by_pairs + 1] = i
    if i > 0 then ctx:execute_activity("step" .. i) end
  end
  local key, value = next(set)
  while key ~= nil do
    by_next[#by_next + 1] = value
    key, value = next(set, key)
  end
  return { pairs = by_pairs, next = by_next }
end

-- Visit objects that the script has made before it started the worker.
function workflows.Colors(ctx)
  local order = {}
  for color, i in pairs(colors) do
    order[#order + 1] = tostring(color)
    ctx:execute_activity("step" .. i)
  end
  return order
end

temporal.worker({ task_queue = arg[1] or "replay", activities = activities, workflows = workflows })
print("polling")
"""

KINDS = [
    "futures",
    "instances",
    "coroutines",
    "tables that were printed",
    "tables that were keys before",
    "tables with contents",
    "tables that hold themselves",
    "closures",
]


@pytest.mark.parametrize("kind", KINDS)
async def test_objects_that_a_run_made_come_in_the_same_order_on_a_replay(session: Session, kind: str) -> None:
    order = [0, 0, 0, *range(1, 13)]  # numbers, strings and booleans come before objects
    assert await session.run("Keys", kind) == {"pairs": order, "next": order}


async def test_objects_of_the_script_come_in_the_order_of_their_contents(session: Session) -> None:
    assert await session.run("Colors") == ["red", "blue", "green"]  # by length, then by text
