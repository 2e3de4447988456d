-- A timer whose deadline can be changed while it runs: the workflow waits for the deadline or for a new one. A query
-- returns the deadline.

local function ring(ctx, seconds)
  local deadline = ctx:now() + seconds
  ctx:register_query("deadline", function()
    return deadline
  end)
  ctx:on_signal("in", function(later)
    deadline = ctx:now() + later
  end)
  while ctx:now() < deadline do
    local waited_for = deadline
    ctx:wait_condition(function()
      return deadline ~= waited_for
    end, { timeout = deadline - ctx:now() })
  end
  return "rang"
end

local worker = temporal.worker({ task_queue = "updatable-timer", workflows = { Timer = ring } })

local client = temporal.connect()
local run = client:start_workflow({ task_queue = "updatable-timer", workflow_type = "Timer", input = 86400 })
local deadline = client:query_workflow({ workflow_id = run.workflow_id, query_type = "deadline" })
print("it rings in " .. math.ceil((deadline - time()) / 3600) .. " h")
client:signal_workflow({ workflow_id = run.workflow_id, signal_name = "in", input = 1 })
print(client:get_result({ workflow_id = run.workflow_id }))
worker:shutdown()
