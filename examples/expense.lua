-- An expense waits for a human: a manager says yes or no by a signal, and silence is a no after the deadline.
-- Whoever asks sees by a query where it is.

local paid = {}

local function expense(ctx, report)
  local state = "waits for a manager"
  ctx:register_query("state", function()
    return state
  end)
  local answer = ctx:wait_signal("decide", { timeout = report.deadline })
  if not answer then
    state = "refused: nobody has answered"
  elseif answer.approved then
    state = "approved by " .. answer.by
    ctx:execute_activity("pay", report)
  else
    state = "refused by " .. answer.by
  end
  return state
end

local worker = temporal.worker({
  task_queue = "expense",
  workflows = { Expense = expense },
  activities = {
    pay = function(report)
      paid[report.by] = report.amount
    end,
  },
})

local client = temporal.connect()
local function file(report)
  return client:start_workflow({ task_queue = "expense", workflow_type = "Expense", input = report }).workflow_id
end
local function decide(id, answer)
  client:signal_workflow({ workflow_id = id, signal_name = "decide", input = answer })
end

local ann = file({ by = "ann", amount = 120, deadline = 86400 })
local bob = file({ by = "bob", amount = 9000, deadline = 86400 })
local cat = file({ by = "cat", amount = 30, deadline = 1 })
print("ann: " .. client:query_workflow({ workflow_id = ann, query_type = "state" }))
decide(ann, { approved = true, by = "maya" })
decide(bob, { approved = false, by = "maya" })
print("ann: " .. client:get_result({ workflow_id = ann }))
print("bob: " .. client:get_result({ workflow_id = bob }))
print("cat: " .. client:get_result({ workflow_id = cat }))
print("paid: " .. json.encode(paid))
worker:shutdown()
