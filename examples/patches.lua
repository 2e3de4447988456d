-- A workflow that was changed while it had open runs: these keep the old path, and new runs take the new one.
-- docs/versioning.md says when each of the two calls can be removed.

local function deploy(ctx)
  local steps = {}
  ctx:deprecate_patch("build-in-a-box") -- the first change: no run from before it is open any more
  steps[1] = ctx:execute_activity("step", "build in a box")
  if ctx:patched("scan-first") then -- the second: some may be
    steps[2] = ctx:execute_activity("step", "scan")
  end
  steps[#steps + 1] = ctx:execute_activity("step", "ship")
  return steps
end

local worker = temporal.worker({
  task_queue = "patches",
  workflows = { Deploy = deploy },
  activities = {
    step = function(name)
      return name
    end,
  },
})

local client = temporal.connect()
local run = client:start_workflow({ task_queue = "patches", workflow_type = "Deploy" })
print(json.encode(client:get_result({ workflow_id = run.workflow_id })))
for _, event in ipairs(client:fetch_history(run.workflow_id).events) do
  if event.eventType == "EVENT_TYPE_MARKER_RECORDED" then
    print("in the history: " .. event.markerRecordedEventAttributes.markerName)
  end
end
worker:shutdown()
