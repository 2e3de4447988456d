--- setup
local worker = temporal.worker({
  task_queue = "orders",
  workflows = {
    Greet = function(_, name)
      return "hello " .. name
    end,
    Cart = function(ctx)
      local items = {}
      ctx:register_query("count", function()
        return #items
      end)
      ctx:register_update("add", function(item)
        items[#items + 1] = item
        return #items
      end)
      ctx:on_signal("add", function(item)
        items[#items + 1] = item
      end)
      ctx:wait_signal("close")
      return items
    end,
    Book = function(ctx)
      return ctx:execute_activity(
        "by_hand",
        nil,
        { schedule_to_close_timeout = 60, retry_policy = { maximum_attempts = 1 } }
      )
    end,
  },
  activities = {
    print_label = function(order)
      return "label " .. order
    end,
    by_hand = function()
      token = activity.info().task_token
      activity.complete_async()
    end,
  },
})
local client = temporal.connect()
local function by_hand()
  token = nil
  local run = client:start_workflow({ task_queue = "orders", workflow_type = "Book" })
  while not token do
    sleep(0.02)
  end
  return token, run
end

--- temporal.connect client:close temporal.close
local client = temporal.connect({ namespace = "default" }) -- other options come from the environment
print(client:count_workflows())
client:close()

--- temporal.start
local handle = temporal.start({ task_queue = "orders", workflow_type = "Greet", input = "Ada" })
assert.not_nil(handle.workflow_id)

--- temporal.worker handle:is_running handle:shutdown handle:wait
local handle = temporal.worker({
  task_queue = "greetings",
  workflows = {
    Greet = function(_, name)
      return "hello " .. name
    end,
  },
})
assert(handle:is_running())
handle:shutdown() -- drains the worker
handle:wait() -- waits until it has ended

--- client:start_workflow temporal.start_workflow
local run = client:start_workflow({
  task_queue = "orders",
  workflow_type = "Greet",
  workflow_id = "greet-" .. crypto.uuid(),
  input = "Ada",
})
assert.not_nil(run.run_id)

--- client:execute_workflow temporal.execute_workflow
local greeting = client:execute_workflow({ task_queue = "orders", workflow_type = "Greet", input = "Ada" })
assert.eq(greeting, "hello Ada")

--- client:get_result temporal.get_result
local run = client:start_workflow({ task_queue = "orders", workflow_type = "Greet", input = "Ada" })
assert.eq(client:get_result({ workflow_id = run.workflow_id, timeout = 60 }), "hello Ada")

--- client:signal_workflow temporal.signal_workflow
local run = client:start_workflow({ task_queue = "orders", workflow_type = "Cart" })
client:signal_workflow({ workflow_id = run.workflow_id, signal_name = "add", input = "milk" })
client:signal_workflow({ workflow_id = run.workflow_id, signal_name = "close" })
assert.eq(client:get_result({ workflow_id = run.workflow_id }), { "milk" })

--- client:query_workflow temporal.query_workflow
local run = client:start_workflow({ task_queue = "orders", workflow_type = "Cart" })
assert.eq(client:query_workflow({ workflow_id = run.workflow_id, query_type = "count" }), 0)
client:terminate_workflow(run.workflow_id)

--- client:update_workflow temporal.update_workflow
local run = client:start_workflow({ task_queue = "orders", workflow_type = "Cart" })
assert.eq(client:update_workflow({ workflow_id = run.workflow_id, update_name = "add", input = "milk" }), 1)
client:terminate_workflow(run.workflow_id)

--- client:update_with_start temporal.update_with_start
local id = "cart-" .. crypto.uuid()
local count, cart = client:update_with_start({
  start = { task_queue = "orders", workflow_type = "Cart", workflow_id = id },
  update = { update_name = "add", input = "milk" },
})
assert.eq(count, 1)
client:terminate_workflow(cart.workflow_id)

--- client:cancel_workflow temporal.cancel_workflow
local run = client:start_workflow({ task_queue = "orders", workflow_type = "Cart" })
client:cancel_workflow({ workflow_id = run.workflow_id, reason = "the customer called" })
local ok, err = pcall(client.get_result, client, { workflow_id = run.workflow_id })
assert.eq(err.kind, "cancelled")

--- client:terminate_workflow temporal.terminate_workflow
local run = client:start_workflow({ task_queue = "orders", workflow_type = "Cart" })
client:terminate_workflow({ workflow_id = run.workflow_id, reason = "not needed" })
assert.eq(client:describe_workflow(run.workflow_id).status, "TERMINATED")

--- client:fetch_history temporal.fetch_history client:reset_workflow temporal.reset_workflow
local run = client:start_workflow({ task_queue = "orders", workflow_type = "Greet", input = "Ada" })
client:get_result({ workflow_id = run.workflow_id })
for _, event in ipairs(client:fetch_history(run.workflow_id).events) do
  if event.eventType == "EVENT_TYPE_WORKFLOW_TASK_COMPLETED" then
    local event_id = math.tointeger(event.eventId)
    client:reset_workflow({ workflow_id = run.workflow_id, event_id = event_id, reason = "once more" })
  end
end
assert.eq(client:get_result({ workflow_id = run.workflow_id }), "hello Ada")

--- client:describe_workflow temporal.describe_workflow
local run = client:start_workflow({ task_queue = "orders", workflow_type = "Greet", input = "Ada" })
assert.eq(client:describe_workflow(run.workflow_id).workflow_type, "Greet")

--- client:list_workflows temporal.list_workflows
for _, workflow in ipairs(client:list_workflows({ query = "WorkflowType = 'Greet'", limit = 10 })) do
  print(workflow.workflow_id, workflow.status)
end

--- client:each_workflow temporal.each_workflow
for workflow in client:each_workflow({ query = "WorkflowType = 'Greet'" }) do -- fetches page by page
  print(workflow.workflow_id)
end

--- client:count_workflows temporal.count_workflows
print(client:count_workflows({ query = "ExecutionStatus = 'Running'" }))

--- client:start_activity temporal.start_activity client:get_activity_result temporal.get_activity_result
local job = client:start_activity({
  task_queue = "orders",
  activity_type = "print_label",
  activity_id = "label-" .. crypto.uuid(),
  input = "7",
  start_to_close_timeout = 30,
})
assert.eq(client:get_activity_result(job), "label 7")

--- client:execute_activity temporal.execute_activity
local label = client:execute_activity({
  task_queue = "orders",
  activity_type = "print_label",
  activity_id = "label-" .. crypto.uuid(),
  input = "7",
  start_to_close_timeout = 30,
})
assert.eq(label, "label 7")

--- client:describe_activity temporal.describe_activity client:cancel_activity temporal.cancel_activity
local id = "label-" .. crypto.uuid()
local options =
  { task_queue = "no worker", activity_type = "print_label", activity_id = id, start_to_close_timeout = 30 }
client:start_activity(options)
assert.eq(client:describe_activity(id).status, "RUNNING")
client:cancel_activity({ activity_id = id, reason = "not needed" })

--- client:terminate_activity temporal.terminate_activity
local id = "label-" .. crypto.uuid()
local options =
  { task_queue = "no worker", activity_type = "print_label", activity_id = id, start_to_close_timeout = 30 }
client:start_activity(options)
client:terminate_activity({ activity_id = id, reason = "not needed" })

--- client:list_activities temporal.list_activities
for _, job in ipairs(client:list_activities({ query = "ActivityType = 'print_label'" })) do
  print(job.activity_id, job.status)
end

--- client:complete_activity temporal.complete_activity client:heartbeat_activity temporal.heartbeat_activity
local token, run = by_hand() -- an activity that called `activity.complete_async`
client:heartbeat_activity({ task_token = token, details = "half done" })
client:complete_activity({ task_token = token, result = "done" })
assert.eq(client:get_result({ workflow_id = run.workflow_id }), "done")

--- client:fail_activity temporal.fail_activity
local token, run = by_hand()
client:fail_activity({ task_token = token, message = "no paper", type = "NO_PAPER" })
local ok, err = pcall(client.get_result, client, { workflow_id = run.workflow_id })
assert.eq(err.type, "NO_PAPER")

--- client:report_activity_cancelled temporal.report_activity_cancelled
local token, run = by_hand()
client:cancel_workflow(run.workflow_id)
repeat -- a heartbeat reports the cancellation
  sleep(0.05)
  local ok, err = pcall(client.heartbeat_activity, client, { task_token = token })
until not ok and err.kind ~= "rpc"
pcall(client.report_activity_cancelled, client, { task_token = token })

--- client.schedules:create client.schedules:get client.schedules:update client.schedules:delete
local id = "nightly-" .. crypto.uuid()
client.schedules:create({
  id = id,
  spec = { cron = "30 2 * * *", timezone = "Europe/Berlin" },
  action = { task_queue = "orders", workflow_type = "Greet", input = "Ada" },
})
client.schedules:update({ id = id, spec = { cron = "0 3 * * *" } })
assert.eq(client.schedules:get(id).paused, false)
client.schedules:delete(id)

--- client.schedules:pause client.schedules:unpause client.schedules:trigger client.schedules:backfill
local id = "nightly-" .. crypto.uuid()
client.schedules:create({
  id = id,
  spec = { cron = "30 2 * * *" },
  action = { task_queue = "orders", workflow_type = "Greet", input = "Ada" },
})
client.schedules:pause({ id = id, note = "over the holidays" })
client.schedules:unpause(id)
client.schedules:trigger(id) -- runs the action once, now
client.schedules:backfill({ id = id, start_at = time() - 86400, end_at = time(), overlap = "buffer_all" })
client.schedules:delete(id)

--- client.schedules:list
for _, schedule in ipairs(client.schedules:list({ limit = 10 })) do
  print(schedule.id, schedule.paused)
end

--- meter:create_counter counter:add meter:with_additional_attributes
local handle = temporal.worker({
  task_queue = "metrics of an example",
  activities = {
    pack = function(item)
      local meter = activity.metric_meter():with_additional_attributes({ kind = item })
      meter:create_counter("items_packed", { description = "Items in boxes" }):add(1)
    end,
  },
})
handle:shutdown()

--- meter:create_histogram meter:create_histogram_timedelta histogram:record meter:create_gauge gauge:set
local handle = temporal.worker({
  task_queue = "metrics of an example",
  workflows = {
    Order = function(ctx, order)
      local meter, start = ctx:metric_meter(), ctx:now()
      meter:create_histogram("order_items"):record(#order.items)
      meter:create_gauge("boxes_left"):set(order.boxes)
      meter:create_histogram_timedelta("order_duration"):record(ctx:now() - start) -- seconds
    end,
  },
})
handle:shutdown()
