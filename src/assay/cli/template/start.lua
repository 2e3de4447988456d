-- Starts a greeting and waits for its result: assay start.lua NAME

local client = temporal.connect()
local run = client:start_workflow({
  task_queue = "{{queue}}",
  workflow_type = "Greeting",
  workflow_id = "greeting-" .. (arg[1] or "Ada"),
  input = { name = arg[1] or "Ada" },
})
client:signal_workflow({ workflow_id = run.workflow_id, signal_name = "reply", input = "thanks" })
print(json.encode(client:get_result({ workflow_id = run.workflow_id }), { pretty = true }))
