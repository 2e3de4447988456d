-- Hello: a workflow with one activity, its worker, and a client that starts it and waits for the result.

local worker = temporal.worker({
  task_queue = "hello",
  activities = {
    compose = function(name)
      return "Hello, " .. name .. "!"
    end,
  },
  workflows = {
    Greet = function(ctx, name)
      return ctx:execute_activity("compose", name, { start_to_close_timeout = 10 })
    end,
  },
})

local client = temporal.connect()
print(client:execute_workflow({ task_queue = "hello", workflow_type = "Greet", input = "World" }))
worker:shutdown()
