temporal.worker({
  task_queue = arg[1] or "replay",
  workflows = {
    Signals = function(ctx)
      local seen = {}
      local function note(how) return function(...) seen[#seen + 1] = { how, ... } end end
      local polled = { ctx:poll_signal("polled") }
      ctx:wait_signal("begin")
      ctx:on_signal("named", note("named"))
      ctx:on_dynamic_signal(note("dynamic"))
      local again, waited = { ctx:poll_signal("polled") }, ctx:wait_signal("waited")
      ctx:wait_signal("end")
      return { seen, polled, again, waited }
    end,
    Waits = function(ctx)
      local seen = {}
      ctx:on_dynamic_signal(function(name, payload)
        ctx:sleep(0.01)
        seen[#seen + 1] = name .. " " .. tostring(payload)
      end)
      ctx:wait_condition(function() return #seen == 1 end)
      ctx:on_dynamic_signal(function(name, payload)
        ctx:sleep(0.01)
        seen[#seen + 1] = "second " .. name .. " " .. tostring(payload)
      end)
      ctx:wait_condition(function() return #seen == 2 and ctx:all_handlers_finished() end)
      return seen
    end,
    Broken = function(ctx)
      ctx:on_dynamic_signal(function(name) error({ type = "BROKEN", message = name }) end)
      ctx:sleep(600)
    end,
    Asked = function(ctx)
      local state, done = { a = 1 }, false
      ctx:register_query("state", function() return state end, { description = "All that it knows" })
      ctx:register_dynamic_query(function(name, ...)
        if name == "bad" then error({ type = "BAD", message = "no such thing" }) end
        state[name] = "written"
        return { name, select("#", ...), ... }
      end)
      ctx:register_update("finish", function() done = true end, { description = "Lets it end" })
      ctx:register_dynamic_update(function(name, value)
        ctx:sleep(0.01)
        state[name] = value
        return { ctx:current_update_info().name, state }
      end, { validator = function(name, value)
        if type(value) ~= "number" then error({ type = "BAD_NUMBER", message = name .. " is no number" }) end
      end })
      ctx:on_signal("stop", function() done = true end, { description = "As finish" })
      ctx:wait_condition(function() return done end)
      ctx:wait_signal("go")
      return state
    end,
    Quiet = function(ctx)
      local quiet = { unfinished_policy = "abandon" }
      ctx:on_signal("quiet", function() ctx:sleep(600) end, quiet)
      ctx:on_dynamic_signal(function() ctx:sleep(600) end, { unfinished_policy = "warn_and_abandon" })
      ctx:register_update("quiet", function() ctx:sleep(600) end, quiet)
      ctx:wait_signal("end")
      return ctx:all_handlers_finished()
    end,
  },
})
print("polling")
