local calls = 0 -- of a validator: they run on a copy

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { echo = function(input) return input end },
  workflows = {
    Signals = function(ctx)
      local seen, first = {}, { ctx:poll_signal("early") }
      ctx:sleep(0.3)
      ctx:on_signal("item", function(item)
        seen[#seen + 1] = item
        local echo = ctx:execute_activity("echo", "echo " .. item)
        seen[#seen + 1] = echo
      end)
      ctx:on_signal("empty", function(...) seen.empty = select("#", ...) == 1 and (...) == nil end)
      local busy = ctx:all_handlers_finished()
      ctx:wait_signal("end")
      ctx:wait_condition(function() return ctx:all_handlers_finished() end)
      local texts = {}
      for i = 1, #seen do texts[i] = seen[i] end
      return { first, texts, seen.empty, busy }
    end,
    Broken = function(ctx)
      ctx:on_signal("item", function() error({ type = "BROKEN", message = "in a handler" }) end)
      ctx:sleep(600)
    end,
    Updates = function(ctx, start)
      local total, done = start, false
      ctx:register_update("add", function(n)
        ctx:execute_activity("echo", n)
        ctx:sleep(0.01)
        total = total + n
        return { total = total }
      end, { validator = function(n)
        calls = calls + 1
        total = 1000
        if type(n) ~= "number" then error({ type = "BAD_NUMBER", message = "a number, please" }) end
      end })
      ctx:register_update("fail", function(text) error("TOO_LATE: " .. text) end)
      ctx:register_update("finish", function() done = true end)
      ctx:register_update("again", function()
        return tostring(select(2, pcall(ctx.continue_as_new, ctx, 1)))
      end)
      ctx:register_query("total", function() return total end)
      ctx:wait_condition(function() return done end)
      return { total, calls }
    end,
    Quick = function(ctx)
      ctx:register_update("hello", function(name) return "hello " .. name end)
      return "over"
    end,
    Unfinished = function(ctx)
      ctx:register_update("slow", function() ctx:sleep(600) end)
      ctx:on_signal("slow", function() ctx:sleep(600) end)
      ctx:wait_signal("end")
    end,
    Conditions = function(ctx)
      local state, asked = {}, 0
      local timed = ctx:wait_condition(function() return state.never end, { timeout = 0.05 })
      local at_once = ctx:wait_condition(function() return "true enough" end)
      local timer = ctx:start_timer(0.05)
      ctx:spawn(function() ctx:sleep(0.02) state.ready = 1 end)
      local ready = ctx:wait_condition(function() return state.ready end, { timeout = 60 })
      ctx:wait_condition(function() asked = asked + 1 return timer:done() end)
      local function problem(fn) return tostring(select(2, pcall(ctx.wait_condition, ctx, fn))) end
      local busy, most, done = 0, 0, 0
      for _ = 1, 5 do
        ctx:spawn(function()
          ctx:wait_condition(function() return busy == 0 end, { timeout = 60 })
          busy = busy + 1
          most = math.max(most, busy)
          ctx:execute_activity("echo")
          busy, done = busy - 1, done + 1
        end)
      end
      ctx:wait_condition(function() return done == 5 end)
      local mine = { code = 5 }
      local _, err = pcall(ctx.wait_condition, ctx, function() error(mine) end)
      return { timed, at_once, ready, asked < 5, most, rawequal(err, mine), problem(function() ctx:sleep(1) end),
        problem(function() ctx:start_timer(1) end), problem(function() return math.random() end),
        problem(function() return crypto.uuid() end), math.random() < 1, problem("x") }
    end,
    Takers = function(ctx, count)
      local taken, takers = {}, {}
      for i = 1, count do
        takers[i] = ctx:spawn(function()
          local item = ctx:wait_signal("item", { timeout = i == count and 0.3 or 60 })
          taken[#taken + 1] = { i, item or "late" }
        end)
      end
      ctx:await_all(takers)
      return taken
    end,
    Several = function(ctx)
      local seen = {}
      ctx:on_signal("handled", function(...) seen[1] = { ... } end)
      seen[2] = { ctx:wait_signal("waited") }
      ctx:wait_signal("end")
      seen[3] = { ctx:poll_signal("polled") }
      return seen
    end,
    Shown = function(ctx)
      local none, ids = ctx:get_current_details(), { ctx:uuid7(), ctx:uuid7() }
      ctx:set_current_details("soon **over**")
      ctx:wait_signal("never", { timeout = 0.01, timeout_summary = "until the mail" })
      ctx:wait_condition(function() return false end, { timeout = 0.01, timeout_summary = "until the phone" })
      return { none, ctx:get_current_details(), ids[1]:sub(15, 15), ids[1] ~= ids[2] }
    end,
    Who = function(ctx)
      local before = { ctx:current_update_info() == nil, ctx:cancellation_reason() == nil }
      ctx:register_update("who", function()
        ctx:sleep(0.01)
        local update = ctx:current_update_info()
        return { update.id, update.name, before }
      end)
      pcall(ctx.sleep, ctx, 600)
      return ctx:cancellation_reason()
    end,
    Over = function(ctx)
      local timer, done = ctx:start_timer(60), ctx:spawn(function() return "done" end)
      done:get()
      local none = ctx:wait_signal("item", { timeout = 0 })
      ctx:wait_condition(function() return ctx:workflow_info().history_length > 3 end)
      local item, no_more = ctx:wait_signal("item", { timeout = -1 }), ctx:wait_signal("item", { timeout = -1 })
      local began = ctx:now()
      ctx:sleep(began - ctx:now() - 5)
      local _, all = pcall(ctx.await_all, ctx, { timer, done }, { timeout = 0 })
      local _, late = pcall(ctx.with_timeout, ctx, -2, function() error("begun") end)
      local _, nan = pcall(ctx.wait_signal, ctx, "item", { timeout = 0 / 0 })
      return {
        none == nil, item, no_more == nil, ctx:wait_condition(function() return false end, { timeout = 0 }),
        ctx:wait_condition(function() return true end, { timeout = 0 }),
        { ctx:await_any({ timer, done }, { timeout = 0 }) },
        ctx:await_any({ ctx:start_timer(60) }, { timeout = -1 }) == nil, all.kind, late.kind, nan,
      }
    end,
  },
})
print("polling")
