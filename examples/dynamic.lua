-- Workflows as data: one dynamic workflow runs every type, each a list of steps, and one dynamic activity runs every
-- step. Signals of any name store a note, queries of any name read it, updates of any name add a step.

local flows = {
  Release = { "build", "test", "publish" },
  Rollback = { "stop", "restore" },
}

local function flow(ctx, input)
  local steps, notes, results = { table.unpack(flows[ctx:workflow_info().workflow_type]) }, {}, {}
  ctx:on_dynamic_signal(function(name, payload)
    notes[name] = payload
  end)
  ctx:register_dynamic_query(function(name)
    return notes[name] or "nothing noted"
  end)
  ctx:register_dynamic_update(function(step)
    steps[#steps + 1] = step
    return #steps
  end, {
    validator = function(step)
      if step == "publish" then
        error({ type = "TWICE", message = "a release is published once" })
      end
    end,
  })

  ctx:wait_condition(function()
    return notes.approved
  end)
  local i = 1
  while steps[i] do
    results[i] = ctx:execute_activity(steps[i], input)
    i = i + 1
  end
  return results
end

local worker = temporal.worker({
  task_queue = "dynamic",
  dynamic_workflow = flow,
  dynamic_activity = function(input)
    return activity.info().activity_type .. " " .. input
  end,
})

local client = temporal.connect()
local run = client:start_workflow({ task_queue = "dynamic", workflow_type = "Release", input = "v1.2" })
print(client:update_workflow({ workflow_id = run.workflow_id, update_name = "announce" }) .. " steps")
print(select(2, pcall(client.update_workflow, client, { workflow_id = run.workflow_id, update_name = "publish" })))
print(client:query_workflow({ workflow_id = run.workflow_id, query_type = "approved" }))
client:signal_workflow({ workflow_id = run.workflow_id, signal_name = "approved", input = "by jane" })
print(table.concat(client:get_result({ workflow_id = run.workflow_id }), ", "))
print(client:query_workflow({ workflow_id = run.workflow_id, query_type = "approved" }))
worker:shutdown()
