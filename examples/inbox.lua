-- Signals in batches: the workflow waits for the first one and polls the rest. A cancellation ends the wait; `ctx:shield`
-- protects the write, so that no received signal is lost.

local function inbox(ctx)
  local total = 0
  local function write(batch)
    total = total + ctx:shield(function()
      return ctx:execute_activity("write", batch)
    end)
  end
  while not ctx:is_cancelled() do
    local ok, mail = pcall(ctx.wait_signal, ctx, "mail")
    local batch, found = {}, ok
    while found do
      batch[#batch + 1] = mail
      found, mail = ctx:poll_signal("mail")
    end
    if #batch > 0 then
      write(batch)
    end
  end
  write({ "closed: " .. ctx:cancellation_reason() })
  return total
end

local written = {}
local worker = temporal.worker({
  task_queue = "inbox",
  workflows = { Inbox = inbox },
  activities = {
    write = function(batch)
      for _, mail in ipairs(batch) do
        written[#written + 1] = mail
      end
      return #batch
    end,
  },
})

local client = temporal.connect()
local run = client:start_workflow({ task_queue = "inbox", workflow_type = "Inbox" })
for i = 1, 5 do
  client:signal_workflow({ workflow_id = run.workflow_id, signal_name = "mail", input = "mail " .. i })
end
while #written < 5 do
  sleep(0.02)
end
client:cancel_workflow({ workflow_id = run.workflow_id, reason = "enough for today" })
print(client:get_result({ workflow_id = run.workflow_id }) .. " lines")
print(table.concat(written, ", "))
worker:shutdown()
