--- activity.heartbeat activity.heartbeat_details
local done = activity.heartbeat_details() or 0 -- details of an earlier attempt
for i = done + 1, 3 do
  activity.heartbeat(i)
end

--- activity.info
local info = activity.info()
assert.eq(info.attempt, 1)
assert.not_nil(info.workflow_id)

--- activity.metric_meter
activity.metric_meter():create_counter("pages_fetched"):add(1)

--- activity.is_cancelled activity.cancellation_details
if activity.is_cancelled() then
  log.info("cancelled", activity.cancellation_details())
end
assert.eq(activity.is_cancelled(), false)

--- activity.wait_for_cancelled
local watcher = async.spawn(function()
  activity.wait_for_cancelled()
  log.info("the workflow no longer needs the result")
end)
watcher.cancel()

--- activity.is_worker_shutdown
assert.eq(activity.is_worker_shutdown(), false)

--- activity.wait_for_worker_shutdown
local watcher = async.spawn(function()
  activity.wait_for_worker_shutdown()
  log.info("the worker is shutting down: finish soon")
end)
watcher.cancel()

--- activity.complete_async
local token = activity.info().task_token
async.spawn(function() -- usually in another process, which received the token
  temporal.connect():complete_activity({ task_token = token, result = "done" })
end)
activity.complete_async() -- the activity stays open until then
