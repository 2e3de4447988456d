-- A workflow that sleeps for a month, sends a mail and sleeps again, until a signal ends it.
-- No process waits meanwhile: the timer is the server's. `assay examples/sleep_for_days.lua 2592000` takes its time.

local pause = tonumber(arg[1]) or 0.5
local mails = 0

local function remind(ctx, seconds)
  local sent = 0
  repeat
    ctx:execute_activity("send_mail", "month " .. sent + 1)
    sent = sent + 1
  until ctx:wait_signal("enough", { timeout = seconds })
  return sent
end

local worker = temporal.worker({
  task_queue = "sleep-for-days",
  workflows = { Remind = remind },
  activities = {
    send_mail = function(text)
      mails = mails + 1
      print("mail: " .. text)
    end,
  },
})

local client = temporal.connect()
local run = client:start_workflow({ task_queue = "sleep-for-days", workflow_type = "Remind", input = pause })
while mails < 3 do
  sleep(0.05)
end
client:signal_workflow({ workflow_id = run.workflow_id, signal_name = "enough" })
print(client:get_result({ workflow_id = run.workflow_id }) .. " mails")
worker:shutdown()
