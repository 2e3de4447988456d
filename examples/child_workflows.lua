-- Child workflows: the parent waits for one, signals one, cancels one, and leaves one running when it completes.

local function child(ctx, name)
  if name == "listens" then
    return "heard " .. ctx:wait_signal("tell")
  elseif name == "is cancelled" then
    ctx:sleep(3600)
  elseif name == "outlives" then
    ctx:wait_signal("rest")
  end
  local parent = ctx:workflow_info().parent
  return name .. (parent and " for a parent" or "")
end

local function parent(ctx, id)
  local said = { ctx:execute_child_workflow("Child", "works") }

  local listens = ctx:start_child_workflow("Child", "listens", { memo = { why = "an example" } })
  listens:signal("tell", "hello")
  said[2] = listens:get()

  local stopped = ctx:start_child_workflow("Child", "is cancelled", { workflow_id = id .. "-stopped" })
  ctx:wait_condition(function()
    return stopped.run_id
  end)
  ctx:cancel_workflow({ workflow_id = id .. "-stopped" })
  said[3] = select(2, pcall(stopped.get, stopped)).kind

  local options = { workflow_id = id .. "-heir", parent_close_policy = "abandon" }
  local heir = ctx:start_child_workflow("Child", "outlives", options)
  ctx:wait_condition(function()
    return heir.run_id
  end)
  return said
end

local worker = temporal.worker({ task_queue = "child-workflows", workflows = { Child = child, Parent = parent } })
local client = temporal.connect()
local id = crypto.uuid()
local run = { task_queue = "child-workflows", workflow_type = "Parent", workflow_id = id, input = id }
print(json.encode(client:execute_workflow(run)))
print(client:describe_workflow(id .. "-heir").status)
client:signal_workflow({ workflow_id = id .. "-heir", signal_name = "rest" })
print(client:get_result({ workflow_id = id .. "-heir" }))
worker:shutdown()
