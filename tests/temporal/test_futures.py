"""Futures: several things at once, always in the same order."""

from __future__ import annotations

import time
from datetime import timedelta

from temporal_script import Script
from workflow_session import count_types, worker

FUTURES = """
local activities = {
  echo = function(input) return input end,
  nap = { auto_heartbeat = true, run = function(seconds) sleep(seconds) return seconds end },
  fail = function(message) error({ type = "BROKEN", message = message, non_retryable = true }) end,
}
-- A replay compares the names of activities, not what they get.
for i = 1, 20 do
  activities["echo" .. i], activities["nap" .. i] = activities.echo, activities.nap
  activities["doze" .. i] = function(input)
    sleep(math.random() < 0.2 and math.random() * 1.5 or math.random() * 0.06)
    return input
  end
end

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = activities,
  workflows = {
    Child = function(ctx, input)
      if input == "wait" then return ctx:wait_signal("go") end
      return { input, ctx:workflow_info().workflow_id }
    end,
    Basics = function(ctx)
      local echo = ctx:start_activity("echo", { 1, 2 })
      local timer = ctx:start_timer(0.05)
      local fn = ctx:spawn(function(a, b) ctx:sleep(0.01) return a + b, "second" end, 1, 2)
      local early = { echo:done(), timer:done(), fn:done() }
      local first = echo:get()
      local same = rawequal(first, echo:get())
      local results = { fn:get() }
      local nothing = timer:get()
      local late = { echo:done(), timer:done(), fn:done() }
      local bad = ctx:start_activity("fail", "text")
      local _, err = pcall(bad.get, bad)
      local _, again = pcall(bad.get, bad)
      local own = ctx:spawn(function() error({ code = 7 }) end)
      local _, mine = pcall(own.get, own)
      return { early, first, same, results, nothing == nil, late, err.kind, err.type, rawequal(err, again), mine.code,
        tostring(echo), echo.workflow_id == nil }
    end,
    All = function(ctx)
      local started = ctx:now()
      local results = ctx:await_all({
        ctx:start_activity("nap", 0.3), ctx:start_timer(0.01), ctx:spawn(function() return "spawned" end),
        ctx:start_local_activity("echo", "local"),
        ctx:start_child_workflow("Child", "child", { workflow_id = ctx:uuid() }),
      })
      local slow, timer = ctx:start_activity("nap", 30, { heartbeat_timeout = 1 }), ctx:start_timer(60)
      local ok, err = pcall(ctx.await_all, ctx, { slow, ctx:start_activity("fail", "now"), timer })
      local _, cancelled = pcall(slow.get, slow)
      local _, also = pcall(timer.get, timer)
      local late, why = pcall(ctx.await_all, ctx, { ctx:start_timer(60), ctx:start_timer(0.01) }, { timeout = 0.1 })
      return { results[1], results[2] == nil, results[3], results[4], results[5][1], ok, err.type, cancelled.kind,
        also.kind, late, why.kind, tostring(why), #ctx:await_all({}),
        ctx:await_all(table.pack(ctx:spawn(function() return "packed" end)))[1] }
    end,
    Any = function(ctx)
      local slow, quick = ctx:start_timer(60), ctx:spawn(function() ctx:sleep(0.02) return "quick", 2 end)
      local first = { ctx:await_any({ slow, quick }) }
      local again = { ctx:await_any({ slow, quick }) }
      local none = { ctx:await_any({ slow }, { timeout = 0.05 }) }
      local ok, err = pcall(ctx.await_any, ctx, { slow, ctx:start_activity("fail", "x") })
      slow:cancel()
      slow:cancel()
      local _, gone = pcall(ctx.await_any, ctx, { slow })
      return { first, again, #none, ok, err.type, gone.kind }
    end,
    Many = function(ctx, count)
      local futures = {}
      for i = 1, count do futures[i] = ctx:start_activity("echo", i) end
      local results, sum = ctx:await_all(futures), 0
      for i = 1, count do
        assert(results[i] == i)
        sum = sum + results[i]
      end
      return sum
    end,
    Race = function(ctx, count)
      local order = {}
      local futures = {}
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
    end,
    Locals = function(ctx, count)
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
    end,
    Unheard = function(ctx)
      local activity = ctx:start_activity("fail", "an activity")
      local task = ctx:spawn(function() error("a task") end)
      ctx:wait_condition(function() return activity:done() and task:done() end)
      return "done"
    end,
    Mistakes = function(ctx)
      local function problem(fn, ...) return tostring(select(2, pcall(fn, ...))) end
      local f = ctx:start_timer(0.01)
      return { problem(ctx.spawn, ctx, "x"), problem(ctx.await_all, ctx, { f, 7 }), problem(ctx.await_any, ctx, {}),
        problem(ctx.await_all, ctx, { f, timeout = 1 }), problem(f.signal, f, "x"),
        problem(async.spawn, function() end), problem(ctx.start_activity, ctx, "echo", 1, { args = { 1 } }),
        problem(f.get, nil), problem(ctx.await_any, ctx, { f }, { time = 1 }), problem(ctx.start_timer, ctx, 0 / 0),
        problem(ctx.await_all, ctx, { one = f }), problem(ctx.await_any, ctx, { f, two = f }),
        problem(ctx.sleep, ctx, math.maxinteger), problem(ctx.with_timeout, ctx, 1e300, print),
        problem(ctx.wait_signal, ctx, "x", { timeout = math.maxinteger }),
        problem(ctx.execute_activity, ctx, "echo", 1, { heartbeat_timeout = 1e18 }),
        problem(ctx.execute_activity, ctx, "", 1) }
    end,
  },
})
print("polling")
"""


async def test_futures(lua: Script, name: str) -> None:
    async with worker(lua, name, FUTURES) as session:
        assert await session.run("Basics") == [
            *([False, False, False], [1, 2], True, [3, "second"], True, [True, True, True]),
            *("activity", "BROKEN", True, 7, "Future", True),
        ]
        assert await session.run("All") == [
            *(0.3, True, "spawned", "local", "child", False, "BROKEN", "cancelled", "cancelled"),
            *(False, "timeout", "ctx:await_all: timed out after 0.1 s", 0, "packed"),
        ]
        assert await session.run("Any") == [
            *([2, "quick", 2], [2, "quick", 2], 0, False, "BROKEN", "cancelled"),
        ]
        assert await session.run("Mistakes") == [
            "ctx:spawn: bad argument 'function' (function expected, got string)",
            "ctx:await_all: bad argument 'futures', item 2 (Future expected, got number)",
            "ctx:await_any: bad argument 'futures' (at least one expected)",
            "ctx:await_all: pass the timeout in a second table: ctx:await_all({…}, { timeout = seconds })",
            "future:signal: only futures of child workflows accept signals",
            "async.spawn: not allowed in a workflow: use ctx:spawn",
            "ctx:start_activity: bad option 'args' ('args' and the input argument are mutually exclusive: pass nil)",
            "future:get: bad argument 'self' (Future expected, got nil; methods are called with a colon)",
            "ctx:await_any: unknown option 'time' (did you mean 'timeout'?)",
            "ctx:start_timer: bad argument 'duration' (a number of seconds expected, got nan)",
            "ctx:await_all: bad argument 'futures' (array expected, got a table with other keys)",
            "ctx:await_any: bad argument 'futures' (array expected, got a table with other keys)",
            "ctx:sleep: bad argument 'duration' (a number of seconds expected, got 9.22337e+18)",
            "ctx:with_timeout: bad argument 'duration' (a number of seconds expected, got 1e+300)",
            "ctx:wait_signal: bad option 'timeout' (a number of seconds expected, got 9.22337e+18)",
            "ctx:execute_activity: bad option 'heartbeat_timeout' (a positive number of seconds expected, got 1e+18)",
            "ctx:execute_activity: bad argument 'name' (expected a non-empty string)",
        ]


async def test_what_fails_unheard_is_told(lua: Script, name: str) -> None:
    async with worker(lua, name, FUTURES) as session:
        assert await session.run("Unheard") == "done"
    workflow = f"warning: workflow 'Unheard' ({name}-1) ended with an unawaited failure of"
    assert f"{workflow} activity 'fail': " in session.stderr
    assert f"{workflow} a function of ctx:spawn: worker.lua:" in session.stderr


async def test_500_activities_at_once(lua: Script, name: str) -> None:
    async with worker(lua, name, FUTURES) as session:
        began = time.monotonic()
        handle = await session.start("Many", 500)
        assert await session.end(handle) == 125250
        assert time.monotonic() - began < 60
        assert count_types(await handle.fetch_history())["ACTIVITY_TASK_COMPLETED"] == 500


async def test_what_races_replays_in_the_same_order(lua: Script, name: str) -> None:
    async with worker(lua, name, FUTURES) as session:
        races = [await session.start("Race", 12) for _ in range(3)]
        for handle in races:
            assert isinstance(await session.end(handle), list)


async def test_local_activities_that_take_several_workflow_tasks(lua: Script, name: str) -> None:
    async with worker(lua, name, FUTURES) as session:
        runs = [await session.start("Locals", 8, task_timeout=timedelta(seconds=1)) for _ in range(15)]
        for handle in runs:
            assert await session.end(handle) == 32
