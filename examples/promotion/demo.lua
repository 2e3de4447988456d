-- The promotion from start to end, in one process: assay dev examples/promotion/demo.lua

local commit = require("commit")
local standin = require("standin")

local started = time()

local function say(who, text)
  print(("%5.1fs  %-9s %s"):format(time() - started, who, text))
end

-- GitLab and the chat, played by a small web server
local port
async.spawn(standin.serve, function(p)
  port = p
end, function(text)
  say("outside", text)
end)
while not port do
  sleep(0.01)
end
say("outside", "a test server for GitLab and the webhook listens on port " .. port)

local worker = require("worker")
say("worker", "polls the task queue 'promotions'")

local client = temporal.connect()
local base = "http://127.0.0.1:" .. port
local run = client:start_workflow({
  task_queue = "promotions",
  workflow_type = "PromotionWorkflow",
  workflow_id = "promote-v0.2.0-to-prod-" .. crypto.random(3),
  input = {
    version = "v0.2.0",
    target = "prod",
    gitlab_url = base .. "/api/v4/projects/123/repository/commits",
    gitops_commit = commit("v0.2.0", "prod"),
    token = standin.token,
    webhook = base .. "/hooks/deployments",
  },
})
say("client", "started " .. run.workflow_id)
say("workflow", "waits for a human, for up to 24 hours; it would outlive this process")

sleep(2)
local status = client:describe_workflow(run.workflow_id)
say("client", "status " .. status.status .. ", " .. status.history_length .. " events in its history")
say("human", "jane approves")
client:signal_workflow({ workflow_id = run.workflow_id, signal_name = "approve", input = { user = "jane" } })

local result = client:get_result({ workflow_id = run.workflow_id })
say("workflow", "is done")
worker:shutdown()
say("worker", "has drained")

print()
print(json.encode(result, { pretty = true }))
assert(result.status == "done" and result.approved_by == "jane")

print()
print("Every step is in the workflow's history. To look around in the Web UI, keep a server running:")
print("  .venv/bin/assay dev examples/promotion/worker.lua   (continue with examples/promotion/README.md)")
