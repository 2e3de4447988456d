-- A lock between workflows: one workflow owns the lock and grants it to one workflow at a time, by signals.
-- Every turn has a deadline, so a holder that fails does not keep the lock.

local function mutex(ctx, turns)
  for _ = 1, turns do
    local request = ctx:wait_signal("lock")
    ctx:signal_workflow({ workflow_id = request.id, signal_name = "your turn" })
    ctx:wait_signal("unlock " .. request.id, { timeout = request.seconds })
  end
  return turns
end

local inside, most = 0, 0

local function user(ctx, lock)
  local id = ctx:workflow_info().workflow_id
  ctx:signal_workflow({ workflow_id = lock, signal_name = "lock", input = { id = id, seconds = 60 } })
  ctx:wait_signal("your turn")
  ctx:execute_activity("use")
  ctx:signal_workflow({ workflow_id = lock, signal_name = "unlock " .. id })
end

local worker = temporal.worker({
  task_queue = "mutex",
  workflows = { Mutex = mutex, User = user },
  activities = {
    use = function()
      inside = inside + 1
      most = math.max(most, inside)
      sleep(0.05)
      inside = inside - 1
    end,
  },
})

local client = temporal.connect()
local lock = client:start_workflow({ task_queue = "mutex", workflow_type = "Mutex", input = 4 }).workflow_id
for _ = 1, 4 do
  client:start_workflow({ task_queue = "mutex", workflow_type = "User", input = lock })
end
print(client:get_result({ workflow_id = lock }) .. " turns, at most " .. most .. " at a time")
worker:shutdown()
