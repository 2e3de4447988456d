-- Short steps without a task queue: a local activity runs in the worker itself, and a side effect is a function whose
-- result is stored in the history. `ctx:uuid` and `ctx:random` need neither: their values repeat on replay.

local prices = { apple = 2, pear = 3 }

local function order(ctx, items)
  local id = ctx:uuid()
  local seen_at = ctx:side_effect(function()
    return { host_time = time(), token = crypto.random(8) }
  end)
  local lookups = {}
  for i, item in ipairs(items) do
    lookups[i] = ctx:start_local_activity("price", item)
  end
  local total = 0
  for _, price in ipairs(ctx:await_all(lookups)) do
    total = total + price
  end
  local ok, problem =
    pcall(ctx.execute_local_activity, ctx, "price", "plum", { retry_policy = { maximum_attempts = 2 } })
  return {
    id = #id,
    token = #seen_at.token,
    clock_is_near = math.abs(seen_at.host_time - ctx:now()) < 60,
    total = total,
    plum = not ok and problem.type,
    dice = ctx:random(6) <= 6,
  }
end

local worker = temporal.worker({
  task_queue = "local-activities",
  workflows = { Order = order },
  activities = {
    price = function(item)
      return prices[item] or error("NO_PRICE: " .. item)
    end,
  },
})

local client = temporal.connect()
local options = { task_queue = "local-activities", workflow_type = "Order", input = { "apple", "pear", "apple" } }
print(json.encode(client:execute_workflow(options)))
worker:shutdown()
