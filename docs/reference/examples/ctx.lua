--- ctx:patched
if ctx:patched("scan-first") then -- new runs
  ctx:execute_activity("scan", input)
end

--- ctx:deprecate_patch
ctx:deprecate_patch("scan-first")
ctx:execute_activity("scan", input)

--- ctx:metric_meter
ctx:metric_meter():create_counter("orders"):add(1, { region = "eu" })

--- ctx:uuid
local key = ctx:uuid() -- for an idempotent request
assert.eq(#key, 36)

--- ctx:uuid7
assert.lt(ctx:uuid7():sub(1, 8), "f")

--- ctx:execute_activity
local receipt = ctx:execute_activity("charge", { amount = 5 }, {
  start_to_close_timeout = 30,
  retry_policy = { maximum_attempts = 3 },
})
assert.eq(receipt.amount, 5)

--- ctx:start_activity future:get
local first = ctx:start_activity("charge", { amount = 1 })
local second = ctx:start_activity("charge", { amount = 2 })
assert.eq(first:get().amount + second:get().amount, 3)

--- ctx:execute_local_activity
assert.eq(ctx:execute_local_activity("charge", { amount = 5 }).amount, 5)

--- ctx:start_local_activity
local future = ctx:start_local_activity("charge", { amount = 5 })
assert.eq(future:get().amount, 5)

--- ctx:side_effect
local token = ctx:side_effect(function()
  return crypto.random(16) -- random; the result is stored in the history
end)
assert.eq(#token, 32)

--- ctx:execute_child_workflow
assert.eq(ctx:execute_child_workflow("Greet", "Ada"), "hello Ada")

--- ctx:start_child_workflow
local child = ctx:start_child_workflow("Greet", "Ada", { workflow_id = ctx:uuid() })
assert.eq(child:get(), "hello Ada")

--- ctx:spawn
local task = ctx:spawn(function(name)
  ctx:sleep(0.01)
  return "hello " .. name
end, "Ada")
assert.eq(task:get(), "hello Ada")

--- ctx:await_all
local futures = {}
for i = 1, 3 do
  futures[i] = ctx:start_activity("charge", { amount = i })
end
assert.eq(ctx:await_all(futures)[3].amount, 3)

--- ctx:await_any
local deadline = ctx:start_timer(60)
local charge = ctx:start_activity("charge", { amount = 5 })
local index, result = ctx:await_any({ deadline, charge })
assert.eq(index, 2)
deadline:cancel()

--- ctx:wait_condition
local done = false
ctx:spawn(function()
  ctx:sleep(0.01)
  done = true
end)
ctx:wait_condition(function()
  return done
end, { timeout = 60 })

--- ctx:wait_signal
local approval = ctx:wait_signal("approve", { timeout = 86400 }) -- nil after the timeout
assert.eq(approval.user, "jane")

--- ctx:poll_signal
ctx:sleep(0.01) -- signals sent with the start are available after the first wait
local received, approval = ctx:poll_signal("approve")
assert.eq(received and approval.user, "jane")

--- ctx:on_signal
local approved_by
ctx:on_signal("approve", function(approval)
  approved_by = approval.user
end)
ctx:wait_condition(function()
  return approved_by
end)

--- ctx:on_dynamic_signal
local received = {}
ctx:on_dynamic_signal(function(name, payload)
  received[name] = payload
end)
ctx:wait_condition(function()
  return received.approve
end)

--- ctx:register_query
local stage = "waiting"
ctx:register_query("stage", function()
  return stage
end, { description = "Current stage of the order" })

--- ctx:register_dynamic_query
ctx:register_dynamic_query(function(name, payload)
  return { name = name, payload = payload }
end)

--- ctx:register_update
local total = 0
ctx:register_update("add", function(amount)
  total = total + amount
  return total
end, {
  validator = function(amount)
    assert(amount > 0, "the amount must be positive")
  end,
})

--- ctx:register_dynamic_update
ctx:register_dynamic_update(function(name, payload)
  return name .. " accepted"
end)

--- ctx:current_update_info
ctx:register_update("add", function()
  return ctx:current_update_info().id
end)
assert.eq(ctx:current_update_info(), nil) -- nil outside a handler

--- ctx:all_handlers_finished
ctx:wait_condition(function()
  return ctx:all_handlers_finished()
end)

--- ctx:sleep
ctx:sleep(0.01, { summary = "let caches settle" })

--- ctx:start_timer future:done
local timer = ctx:start_timer(0.01)
assert.eq(timer:done(), false)
timer:get()

--- ctx:now
local start = ctx:now()
ctx:sleep(0.01)
assert.gt(ctx:now(), start)

--- ctx:is_replaying
if not ctx:is_replaying() then
  log.debug("this line is written once") -- `log` already skips replays
end

--- ctx:shield
ctx:shield(function()
  ctx:execute_activity("charge", { amount = 0 }) -- not interrupted by a cancellation
end)

--- ctx:with_timeout
local ok, err = pcall(ctx.with_timeout, ctx, 0.05, function()
  ctx:sleep(3600)
end)
assert.eq(err.kind, "timeout")

--- ctx:is_cancelled ctx:cancellation_reason
if ctx:is_cancelled() then
  log.info("cancelled: " .. ctx:cancellation_reason())
end
assert.eq(ctx:is_cancelled(), false)

--- ctx:continue_as_new
local count = math.type(input) == "integer" and input or 1
if count < 3 then
  ctx:continue_as_new(count + 1) -- does not return
end
assert.eq(count, 3)

--- ctx:upsert_search_attributes
ctx:upsert_search_attributes({ OrderStage = "packing" })
assert.eq(ctx:workflow_info().search_attributes.OrderStage, "packing")

--- ctx:upsert_memo
ctx:upsert_memo({ requested_by = "ada" })
assert.eq(ctx:workflow_info().memo.requested_by, "ada")

--- ctx:set_current_details ctx:get_current_details
ctx:set_current_details("waiting for **two** approvals")
assert.contains(ctx:get_current_details(), "two")

--- ctx:workflow_info
local info = ctx:workflow_info()
assert.eq(info.attempt, 1)
assert.not_nil(info.workflow_id)

--- ctx:signal_workflow
local id = ctx:uuid()
local other = ctx:start_child_workflow("Wait", nil, { workflow_id = id })
ctx:wait_condition(function()
  return other.run_id -- set once the child has started
end)
ctx:signal_workflow({ workflow_id = id, signal_name = "note", input = "hello" })
assert.eq(other:get(), "hello")

--- ctx:cancel_workflow
local id = ctx:uuid()
local other = ctx:start_child_workflow("Wait", nil, { workflow_id = id })
ctx:wait_condition(function()
  return other.run_id
end)
ctx:cancel_workflow({ workflow_id = id })
local ok, err = pcall(other.get, other)
assert.eq(err.kind, "cancelled")

--- ctx:random
assert.lt(ctx:random(), 1)
assert.lt(ctx:random(6), 7) -- 1 to 6

--- ctx:execute_nexus_operation
local greeting = ctx:execute_nexus_operation({
  endpoint = "greetings",
  service = "greetings",
  operation = "hello",
  input = "Ada",
  schedule_to_close_timeout = 60,
})
assert.eq(greeting, "hello Ada")

--- ctx:start_nexus_operation
local future = ctx:start_nexus_operation({
  endpoint = "greetings",
  service = "greetings",
  operation = "hello",
  input = "Ada",
  schedule_to_close_timeout = 60,
})
assert.eq(future:get(), "hello Ada")

--- future:cancel
local timer = ctx:start_timer(3600)
timer:cancel()
local ok, err = pcall(timer.get, timer)
assert.eq(err.kind, "cancelled")

--- future.workflow_id future.run_id future:signal
local child = ctx:start_child_workflow("Wait", nil, { workflow_id = ctx:uuid() })
ctx:wait_condition(function()
  return child.run_id -- nil until the child has started
end)
child:signal("note", "hello")
assert.eq(#child.workflow_id, 36)
assert.eq(child:get(), "hello")
