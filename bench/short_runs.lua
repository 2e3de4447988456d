-- The worker of short_runs.py: each run makes garbage, handles and a side effect.
temporal.worker({
  task_queue = arg[1],
  activities = {
    echo = function(input)
      return input
    end,
  },
  workflows = {
    Short = function(ctx, size)
      local kept = {}
      for i = 1, size do
        kept[i] = { id = i, text = ("x"):rep(i) }
      end
      ctx:register_query("size", function()
        return #kept
      end)
      local token = ctx:side_effect(function()
        return crypto.random(8)
      end)
      local results = ctx:await_all({
        ctx:start_local_activity("echo", token),
        ctx:spawn(function()
          return pcall(error, { type = "SHORT" })
        end),
      })
      return { #kept, results[1] == token }
    end,
  },
})
