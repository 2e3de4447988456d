-- A workflow without an end: an account that receives signals for years. When its history grows long, it continues as new
-- with its current state. Handlers run before conditions are checked, so no signal is lost between two runs.

local function account(ctx, state)
  local taken, closed = 0, false
  ctx:on_signal("deposit", function(amount)
    state.balance = state.balance + amount
    taken = taken + 1
  end)
  ctx:on_signal("close", function()
    closed = true
  end)
  ctx:register_query("balance", function()
    return state.balance
  end)
  ctx:wait_condition(function()
    return closed or taken >= 10 or ctx:workflow_info().continue_as_new_suggested
  end)
  if closed then
    return state
  end
  state.runs = state.runs + 1
  ctx:continue_as_new(state)
end

local worker = temporal.worker({ task_queue = "continue-as-new", workflows = { Account = account } })

local client = temporal.connect()
local run = client:start_workflow({
  task_queue = "continue-as-new",
  workflow_type = "Account",
  input = { balance = 0, runs = 1 },
})
local function send(name, amount)
  client:signal_workflow({ workflow_id = run.workflow_id, signal_name = name, input = amount })
end

for i = 1, 25 do
  send("deposit", i)
end
while client:query_workflow({ workflow_id = run.workflow_id, query_type = "balance" }) < 325 do
  sleep(0.05)
end
send("close")
local result = client:get_result({ workflow_id = run.workflow_id })
print("balance " .. result.balance .. (result.runs > 1 and ", after several runs" or ""))
worker:shutdown()
