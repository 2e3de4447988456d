-- Start a promotion: assay run examples/promotion/start.lua VERSION TARGET
-- GITLAB_URL, GITLAB_TOKEN and WEBHOOK_URL configure GitLab and the chat.

local version, target = arg[1], arg[2]
if not (version and target) then
  error("usage: assay run start.lua VERSION TARGET", 0)
end

local function setting(name)
  return env.get(name) or error("set " .. name, 0)
end

temporal.connect()
local run = temporal.start_workflow({
  task_queue = "promotions",
  workflow_type = "PromotionWorkflow",
  workflow_id = "promote-" .. version .. "-to-" .. target,
  input = {
    version = version,
    target = target,
    gitlab_url = setting("GITLAB_URL"),
    gitops_commit = require("commit")(version, target),
    token = setting("GITLAB_TOKEN"),
    webhook = setting("WEBHOOK_URL"),
  },
})
print(run.workflow_id .. " waits for its approval: assay run approve.lua " .. run.workflow_id)
