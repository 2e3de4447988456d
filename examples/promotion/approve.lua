-- Approve a promotion: assay run examples/promotion/approve.lua WORKFLOW_ID [USER]

local workflow_id, user = arg[1], arg[2] or env.get("USER") or "unknown"
if not workflow_id then
  error("usage: assay run approve.lua WORKFLOW_ID [USER]", 0)
end

local client = temporal.connect()
client:signal_workflow({ workflow_id = workflow_id, signal_name = "approve", input = { user = user } })
print(workflow_id .. " is approved by " .. user)
print(json.encode(client:get_result({ workflow_id = workflow_id }), { pretty = true }))
