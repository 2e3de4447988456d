-- The worker. `assay dev worker.lua` runs it with a local Temporal server.

return temporal.worker({
  task_queue = "{{queue}}",

  activities = {
    -- Activities do the I/O. A failed activity is retried.
    greet = function(input)
      return "Hello, " .. input.name .. "!"
    end,
  },

  workflows = {
    -- Workflows coordinate activities, signals and timers. They survive restarts of this process.
    Greeting = function(ctx, input)
      local text = ctx:execute_activity("greet", { name = input.name }, { start_to_close_timeout = 10 })
      local reply = ctx:wait_signal("reply", { timeout = 30 * 86400 })
      return { said = text, reply = reply or "none within 30 days" }
    end,
  },
})
