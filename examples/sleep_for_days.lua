-- A workflow that sends a mail every month until a signal ends it. The server keeps the timer, so no process has to wait.
-- The demo uses half a second; `assay examples/sleep_for_days.lua 2592000` waits for real months.

local pause = tonumber(arg[1]) or 0.5
local client = temporal.connect()

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
      print("mail: " .. text)
      if text == "month 3" then -- its reader has had enough
        client:signal_workflow({ workflow_id = activity.info().workflow_id, signal_name = "enough" })
      end
    end,
  },
})

local run = client:start_workflow({ task_queue = "sleep-for-days", workflow_type = "Remind", input = pause })
print(client:get_result({ workflow_id = run.workflow_id }) .. " mails")
worker:shutdown()
