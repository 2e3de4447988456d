-- A batch of any size: a few items are processed concurrently, and the next one starts when one ends. After some items the
-- run continues as new, so that its history stays short.

local AT_ONCE, PER_RUN = 3, 8

local function batch(ctx, state)
  local last, running = math.min(state.next + PER_RUN, state.count + 1), {}
  while state.next < last or #running > 0 do
    if state.next < last and #running < AT_ONCE then
      table.insert(running, ctx:start_activity("work_on", state.next))
      state.next = state.next + 1
    else
      local place, result = ctx:await_any(running)
      table.remove(running, place)
      state.sum = state.sum + result
    end
  end
  if state.next <= state.count then
    state.runs = state.runs + 1
    ctx:continue_as_new(state)
  end
  return state
end

local worker = temporal.worker({
  task_queue = "sliding-window",
  workflows = { Batch = batch },
  activities = {
    work_on = function(item)
      sleep((item % 3) / 50)
      return item
    end,
  },
})

local client = temporal.connect()
local run = client:start_workflow({
  task_queue = "sliding-window",
  workflow_type = "Batch",
  input = { next = 1, count = 30, sum = 0, runs = 1 },
})
local result = client:get_result({ workflow_id = run.workflow_id })
print(result.count .. " items in " .. result.runs .. " runs, sum " .. result.sum)
worker:shutdown()
