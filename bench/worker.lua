-- The workflows of the worker benchmark in Lua; official_worker.py has the same workflows.
temporal.worker({
  task_queue = arg[1] or "replay",
  activities = {
    echo = function(input)
      return input
    end,
    nap = function(seconds)
      sleep(seconds)
    end,
  },
  workflows = {
    Steps = function(ctx, steps)
      local order
      for step = 1, steps do
        order = ctx:execute_activity("echo", { step = step, item = "widget", count = 3 })
      end
      return order
    end,
    Nap = function(ctx, seconds)
      ctx:execute_activity("nap", seconds)
    end,
    Wait = function(ctx)
      return ctx:wait_signal("go")
    end,
  },
})
