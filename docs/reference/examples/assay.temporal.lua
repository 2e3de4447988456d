--- setup
local worker = temporal.worker({
  task_queue = "orders",
  workflows = {
    Cart = function(ctx)
      ctx:wait_signal("close")
      return "closed"
    end,
  },
})
local id = temporal.connect():start_workflow({ task_queue = "orders", workflow_type = "Cart" }).workflow_id
local c = require("assay.temporal").client("http://localhost:7243", { namespace = "default" })

--- assay.temporal.client c:health c:system_info
local c = require("assay.temporal").client("http://localhost:7243", { namespace = "default" })
assert(c:health())
print(c:system_info().serverVersion)

--- c.namespaces:list c:namespaces c.namespaces:get c:namespace
assert.gt(#c.namespaces:list().namespaces, 0)
assert.eq(c.namespaces:get("default").namespaceInfo.name, "default")

--- c.workflows:list c:workflows
for _, workflow in ipairs(c.workflows:list({ page_size = 10 }).executions) do
  print(workflow.execution.workflowId, workflow.status)
end

--- c.workflows:search c:search
print(#c.workflows:search("WorkflowType = 'Cart'", { page_size = 10 }).executions)

--- c.workflows:get c:workflow
assert.eq(c.workflows:get(id).workflowExecutionInfo.type.name, "Cart")

--- c.workflows:history c:workflow_history
assert.eq(c.workflows:history(id).events[1].eventType, "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED")

--- c.workflows:is_running c:is_workflow_running
assert(c.workflows:is_running(id))

--- c.workflows:signal c:signal_workflow c.workflows:wait_complete c:wait_workflow_complete
c.workflows:signal(id, "close")
c.workflows:wait_complete(id, 60)
assert(not c.workflows:is_running(id))

--- c.workflows:cancel c:cancel_workflow
local id = temporal.connect():start_workflow({ task_queue = "orders", workflow_type = "Cart" }).workflow_id
c.workflows:cancel(id)

--- c.workflows:terminate c:terminate_workflow
local id = temporal.connect():start_workflow({ task_queue = "orders", workflow_type = "Cart" }).workflow_id
c.workflows:terminate(id, "not needed")
assert(not c.workflows:is_running(id))

--- c.task_queues:get c:task_queue
print(#c.task_queues:get("orders", { task_queue_type = "workflow" }).pollers)

--- c.schedules:list c:schedules c.schedules:get c:schedule
for _, schedule in ipairs(c.schedules:list().schedules) do
  print(c.schedules:get(schedule.scheduleId).schedule.spec)
end
