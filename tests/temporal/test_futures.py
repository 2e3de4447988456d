"""Many futures at once on a real server: a replay in another process finds their results in the same order.

What single futures return and raise needs no server: see `tests/engine/test_future_results.py`.
"""

from __future__ import annotations

from datetime import timedelta

from workflow_session import Session, count_types

WORKER = """
local activities = {
  echo = function(input) return input end,
  nap = function(seconds) sleep(seconds) return seconds end,
}
-- A replay compares the names of activities and not their inputs: a number in the name makes it check the order.
for i = 1, 24 do
  activities["echo" .. i] = activities.echo
  activities["doze" .. i] = function(input)
    sleep(math.random() < 0.2 and math.random() * 1.5 or math.random() * 0.06)
    return input
  end
end

local workflows = {}

function workflows.Child(ctx, input)
  return { input = input, id = ctx:workflow_info().workflow_id }
end

-- Wait for one future of each kind.
function workflows.AllKinds(ctx)
  local id = ctx:uuid()
  local results = ctx:await_all({
    ctx:start_activity("nap", 0.3),
    ctx:start_timer(0.01),
    ctx:spawn(function() return "spawned" end),
    ctx:start_local_activity("echo", "local"),
    ctx:start_child_workflow("Child", "child", { workflow_id = id }),
  })
  return { activity = results[1], timer_is_nil = results[2] == nil, task = results[3], local_activity = results[4],
    child = results[5].input, has_id = results[5].id == id }
end

-- Run activities at once; return the sum of their results, which are their numbers.
function workflows.Many(ctx, count)
  local futures = {}
  for i = 1, count do futures[i] = ctx:start_activity("echo", i) end
  local sum = 0
  for i, result in ipairs(ctx:await_all(futures)) do
    assert(result == i)
    sum = sum + result
  end
  return sum
end

-- Let tasks end in an order that only chance decides, and run activities that are named by this order.
function workflows.Race(ctx, count)
  local order, futures = {}, {}
  for i = 1, count do
    futures[i] = ctx:spawn(function()
      ctx:execute_activity("nap", math.random(0, 20) / 100)
      order[#order + 1] = i
      ctx:execute_activity("echo" .. #order, order)
      ctx:execute_activity("echo" .. i, order)
      ctx:sleep(math.random(0, 20) / 100)
      order[#order + 1] = -i
    end)
  end
  while #futures > 0 do table.remove(futures, (ctx:await_any(futures))) end
  return order
end

-- Run local activities of random length, some beside one another, among steps of all other kinds.
function workflows.LocalActivities(ctx, count)
  local futures, pending, ended = {}, {}, 0
  for i = 1, count do
    pending[i] = ctx:start_local_activity("doze" .. i, i)
    futures[i] = ctx:spawn(function()
      for step = 1, 4 do
        assert(ctx:execute_local_activity("doze" .. i, i * 100 + step) == i * 100 + step)
        ended = ended + 1
        if ended % 3 == 0 then ctx:execute_activity("echo" .. i) end
        if ended % 4 == 0 then assert(ctx:side_effect(function() return i end) == i) end
        if ended % 5 == 0 then ctx:sleep(0.01) end
      end
    end)
  end
  while #pending > 0 do
    local place, value = ctx:await_any(pending)
    table.remove(pending, place)
    ctx:execute_local_activity("echo" .. value)
    if value % 2 == 0 then ctx:execute_activity("echo" .. value) end
  end
  ctx:await_all(futures)
  return ended
end

temporal.worker({ task_queue = arg[1] or "replay", activities = activities, workflows = workflows })
print("polling")
"""


async def test_await_all_waits_for_all_kinds_of_futures(session: Session) -> None:
    assert await session.run("AllKinds") == {
        "activity": 0.3,
        "timer_is_nil": True,
        "task": "spawned",
        "local_activity": "local",
        "child": "child",
        "has_id": True,
    }


async def test_500_activities_at_once(session: Session) -> None:
    handle = await session.start("Many", 500)
    assert await session.end(handle) == sum(range(1, 501))
    assert count_types(await handle.fetch_history())["ACTIVITY_TASK_COMPLETED"] == 500


async def test_tasks_that_race_end_in_the_same_order_on_a_replay(session: Session) -> None:
    handles = [await session.start("Race", 12) for _ in range(3)]
    for handle in handles:
        order = await session.end(handle)
        assert sorted(order) == [*range(-12, 0), *range(1, 13)]


async def test_local_activities_over_several_tasks_replay_in_order(session: Session) -> None:
    handles = [await session.start("LocalActivities", 8, task_timeout=timedelta(seconds=1)) for _ in range(15)]
    for handle in handles:
        assert await session.end(handle) == 32
