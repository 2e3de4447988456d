-- The worker: `assay dev worker.lua` runs it with a Temporal server of its own.

return temporal.worker({
  task_queue = "{{queue}}",

  activities = {
    -- An activity does the I/O. One that fails is tried again.
    greet = function(input)
      return "Hello, " .. input.name .. "!"
    end,
  },

  workflows = {
    -- A workflow says what happens in which order. It outlives this process.
    Greeting = function(ctx, input)
      local text = ctx:execute_activity("greet", { name = input.name }, { start_to_close_timeout = 10 })
      local reply = ctx:wait_signal("reply", { timeout = 30 * 86400 })
      return { said = text, reply = reply or "none within 30 days" }
    end,
  },
})
