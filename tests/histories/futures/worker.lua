local activities = {
  echo = function(input) return input end,
  nap = function(seconds) sleep(seconds) return seconds end,
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
        also.kind, late, why.kind, tostring(why), #ctx:await_all({}) }
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
      ctx:start_activity("fail", "an activity")
      ctx:spawn(function() error("a task") end)
      ctx:sleep(0.3)
      return "done"
    end,
    Mistakes = function(ctx)
      local function problem(fn, ...) return tostring(select(2, pcall(fn, ...))) end
      local f = ctx:start_timer(0.01)
      return { problem(ctx.spawn, ctx, "x"), problem(ctx.await_all, ctx, { f, 7 }), problem(ctx.await_any, ctx, {}),
        problem(ctx.await_all, ctx, { f, timeout = 1 }), problem(f.signal, f, "x"),
        problem(async.spawn, function() end), problem(ctx.start_activity, ctx, "echo", 1, { args = { 1 } }),
        problem(f.get, nil), problem(ctx.await_any, ctx, { f }, { time = 1 }), problem(ctx.start_timer, ctx, 0 / 0) }
    end,
  },
})
print("polling")
