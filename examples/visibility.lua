-- Search attributes for finding a workflow, and a memo, current details and summaries of steps for describing it.
-- Register the search attribute once in the namespace:
--   temporal operator search-attribute create --name Stage --type Keyword

local function release(ctx, version)
  ctx:upsert_search_attributes({ Stage = "build" })
  ctx:upsert_memo({ version = version, steps = { "build", "ship" } })
  ctx:set_current_details("building **" .. version .. "**")
  ctx:execute_activity("step", "build", { summary = "build " .. version })
  ctx:upsert_search_attributes({ Stage = "ship" })
  ctx:upsert_memo({ steps = json.null })
  if not ctx:is_replaying() then
    log.info("waiting for the order to ship")
  end
  ctx:wait_signal("ship")
  local info = ctx:workflow_info()
  return { stage = info.search_attributes.Stage, memo = info.memo, type = info.workflow_type }
end

local worker = temporal.worker({
  task_queue = "visibility",
  workflows = { Release = release },
  activities = {
    step = function(name)
      return name
    end,
  },
})

local client = temporal.connect()
local run = client:start_workflow({
  task_queue = "visibility",
  workflow_type = "Release",
  input = "v1.2",
  search_attributes = { Stage = "new" },
  memo = { asked_by = "sales" },
  static_summary = "The release that sales asked for",
})
local found
repeat
  sleep(0.2) -- lists lag behind
  found = client:list_workflows({ query = "Stage = 'ship' AND WorkflowId = '" .. run.workflow_id .. "'" })
until #found == 1
print(found[1].memo.version, found[1].memo.asked_by, client:describe_workflow(run.workflow_id).static_summary)
client:signal_workflow({ workflow_id = run.workflow_id, signal_name = "ship" })
print(json.encode(client:get_result({ workflow_id = run.workflow_id })))
worker:shutdown()
