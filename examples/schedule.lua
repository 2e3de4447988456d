-- A schedule: the server starts a workflow at five minutes past every hour, Zurich time, and once immediately by
-- `trigger`.

local worker = temporal.worker({
  task_queue = "schedule",
  workflows = {
    Report = function(_, name)
      return "report of " .. name
    end,
  },
})

local client = temporal.connect()
local id = "report-" .. crypto.random(4)
client.schedules:create({
  id = id,
  spec = { cron = "5 * * * *", timezone = "Europe/Zurich" },
  action = { task_queue = "schedule", workflow_type = "Report", workflow_id = id, input = "sales" },
  overlap = "skip",
})
client.schedules:pause({ id = id, note = "paused until the first test" })
client.schedules:trigger(id)

local recent
repeat
  sleep(0.1)
  recent = client.schedules:get(id).recent_actions
until #recent > 0
print(client:get_result({ workflow_id = recent[1].workflow_id }))
print(client.schedules:get(id).paused and "paused" or "running")
client.schedules:delete(id)
worker:shutdown()
