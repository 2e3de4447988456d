-- CPU-bound activities, which each workflow runs one after another.
temporal.worker({
  task_queue = arg[1],
  max_concurrent_activities = 4,
  activities = {
    compute = function(rounds)
      local sum = 0
      for i = 1, rounds do
        sum = (sum * 31 + i) % 1000003
      end
      return sum
    end,
  },
  workflows = {
    Compute = function(ctx, input)
      local last
      for _ = 1, input.steps do
        last = ctx:execute_activity("compute", input.rounds)
      end
      return last
    end,
  },
})
