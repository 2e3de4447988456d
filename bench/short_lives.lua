-- The script of short_lives.py: connects, starts a worker, completes a workflow and exits in one of two ways.
local queue, exit_mode = arg[1], arg[2]

local worker = temporal.worker({
  task_queue = queue,
  activities = {
    double = function(n)
      return n * 2
    end,
  },
  workflows = {
    Double = function(ctx, n)
      return ctx:execute_activity("double", n)
    end,
  },
})
local client = temporal.connect()
local options = { workflow_type = "Double", workflow_id = queue, task_queue = queue, input = 21 }
assert.eq(client:execute_workflow(options), 42)
if exit_mode == "exit" then
  os.exit(0)
end
client:close()
worker:shutdown()
worker:wait()
