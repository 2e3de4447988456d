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
  },
})
print("polling")
