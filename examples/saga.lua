-- A saga: when a step fails or the workflow is cancelled, the completed steps are undone in reverse order. The
-- compensation runs in `ctx:shield`, so that a cancellation does not interrupt it.

local booked = {} -- the state of the outside world

local function trip(ctx, input)
  local undo = {}
  local function book(what)
    -- Noted before the step runs: it may take effect even if its result is lost.
    table.insert(undo, 1, what)
    ctx:execute_activity("book", { what = what, full = input.full })
  end

  local ok, err = pcall(function()
    book("flight")
    book("hotel")
    if input.think then
      ctx:sleep(input.think)
    end
    book("car")
  end)
  if ok then
    return "booked"
  end
  ctx:shield(function()
    for _, what in ipairs(undo) do
      ctx:execute_activity("cancel", what)
    end
  end)
  error(err, 0)
end

local worker = temporal.worker({
  task_queue = "saga",
  workflows = { Trip = trip },
  activities = {
    book = function(order)
      if order.what == order.full then
        error({ type = "FULL", message = "no " .. order.what .. " left", non_retryable = true })
      end
      booked[order.what] = true
    end,
    cancel = function(what)
      booked[what] = nil -- idempotent
    end,
  },
})

local client = temporal.connect()
local function report(run)
  local ok, result = pcall(client.get_result, client, { workflow_id = run.workflow_id })
  print(ok and result or result.message, "left: " .. json.encode(booked))
end

report(client:start_workflow({ task_queue = "saga", workflow_type = "Trip", input = {} }))
booked = {}
report(client:start_workflow({ task_queue = "saga", workflow_type = "Trip", input = { full = "car" } }))
local run = client:start_workflow({ task_queue = "saga", workflow_type = "Trip", input = { think = 3600 } })
while not booked.hotel do
  sleep(0.05)
end
client:cancel_workflow(run.workflow_id)
report(run)
worker:shutdown()
