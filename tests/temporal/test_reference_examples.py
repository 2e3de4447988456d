"""The examples of the reference, unchanged except for addresses."""

from __future__ import annotations

from temporal_script import Script

STAND_IN = """
local requests = {}
local gitlab
async.spawn(http.serve, 0, { POST = {
  ["/api/v4/projects/123/repository/commits"] = function(req)
    requests[#requests + 1] = { req.headers["private-token"], json.parse(req.body) }
    return { status = 201, json = { short_id = "d96bfdd8" } }
  end,
  ["/hook"] = function(req)
    requests[#requests + 1] = json.parse(req.body)
    return { body = "ok" }
  end,
} }, { on_listen = function(port) gitlab = "http://127.0.0.1:" .. port end })
while not gitlab do sleep(0.01) end
env.set("GITLAB_TOKEN", "glpat-1")
"""

WORKER = """
local handle = temporal.worker({
  url = "TEMPORAL",
  namespace = "default",       -- optional, defaults to "default"
  task_queue = "promotions",

  activities = {
    update_gitops = function(input)
      local resp = http.post(input.gitlab_url, input.commit, {
        headers = { ["PRIVATE-TOKEN"] = input.token },
      })
      if resp.status ~= 201 then error("GitLab commit failed: HTTP " .. resp.status) end
      return json.parse(resp.body)
    end,

    notify = function(input)
      http.post(input.webhook, { text = input.message })
      return { sent = true }
    end,
  },

  workflows = {
    PromotionWorkflow = function(ctx, input)
      -- Stage 1: wait for human approval (or timeout after 24h)
      local approval = ctx:wait_signal("approve", { timeout = 86400 })
      if not approval then
        return { status = "timed_out" }
      end

      -- Stage 2: update GitOps overlays
      local commit = ctx:execute_activity("update_gitops", {
        gitlab_url = input.gitlab_url,
        commit = input.gitops_commit,
        token = input.token,
      }, { start_to_close_timeout = 30, retry_policy = { maximum_attempts = 3 } })

      -- Stage 3: notify
      ctx:execute_activity("notify", {
        webhook = input.webhook,
        message = "Deployed " .. input.version .. " to " .. input.target,
      })

      return { status = "done", commit_id = commit.short_id, approved_by = approval.user }
    end,
  },
})
"""

CLIENT = """
-- Connect to Temporal
local client = temporal.connect({ url = "TEMPORAL", namespace = "default" })

-- Start the workflow
local run = temporal.start_workflow({
  task_queue = "promotions",
  workflow_type = "PromotionWorkflow",
  workflow_id = "promote-v0.2.0-to-prod",
  input = {
    version = "v0.2.0",
    target = "prod",
    gitlab_url = gitlab .. "/api/v4/projects/123/repository/commits",
    gitops_commit = { branch = "main" },
    token = env.get("GITLAB_TOKEN"),
    webhook = gitlab .. "/hook",
  },
})

-- Later: approve via signal
client:signal_workflow({ workflow_id = "promote-v0.2.0-to-prod", signal_name = "approve", input = { user = "jane" } })

-- Wait for result
local result = client:get_result({ workflow_id = "promote-v0.2.0-to-prod" })
"""


def test_the_promotion(lua: Script) -> None:
    value = lua.value(
        (STAND_IN + WORKER + CLIENT).replace("TEMPORAL", lua.address)
        + """
        local was_running = handle:is_running()
        handle:shutdown()
        print(json.encode({ result = result, requests = requests, running = { was_running, handle:is_running() } }))
        """
    )
    assert value["result"] == {"status": "done", "commit_id": "d96bfdd8", "approved_by": "jane"}
    assert value["requests"] == [["glpat-1", {"branch": "main"}], {"text": "Deployed v0.2.0 to prod"}]
    assert value["running"] == [True, False]


def test_the_calls_of_ctx(lua: Script) -> None:
    value = lua.value(
        """
        local worker = temporal.worker({
          url = "TEMPORAL",
          task_queue = "calls",
          activities = {
            update_gitops = function(input)
              if input.version == "denied" then error("PERMISSION_DENIED") end
              return input
            end,
          },
          workflows = {
            Calls = function(ctx, input)
              local function update(version)
                local result = ctx:execute_activity("update_gitops", {
                  target = "prod",
                  version = version,
                }, {
                  start_to_close_timeout = 300,     -- seconds (default: 300)
                  schedule_to_close_timeout = 600,  -- overall deadline including queue time
                  heartbeat_timeout = 30,           -- activity must heartbeat within this interval
                  retry_policy = {
                    initial_interval = 1,           -- seconds between retries
                    backoff_coefficient = 2.0,      -- exponential backoff multiplier
                    maximum_interval = 60,          -- cap on retry interval
                    maximum_attempts = 5,           -- 0 = unlimited
                    non_retryable_errors = { "PERMISSION_DENIED" },
                  },
                })
                return result
              end
              ctx:sleep(0.06)  -- wait 1 minute (Temporal timer, not wall clock)
              local id = ctx:side_effect(function() return crypto.random(16) end)
              local now = ctx:side_effect(function() return time() end)
              local payload = ctx:wait_signal("approve", { timeout = 0.05 })
              local info = ctx:workflow_info()
              return {
                updated = update("v0.2.0"),
                denied = select(2, pcall(update, "denied")).type,
                id_length = #id,
                is_real_time = now > 1e9,
                is_timed_out = payload == nil,
                info = info,
              }
            end,
          },
        })
        -- One-shot convenience (creates new connection each call)
        local handle = temporal.start({
          url = "TEMPORAL",
          namespace = "default",
          task_queue = "calls",
          workflow_type = "Calls",
          workflow_id = "order-12345",
          input = { item = "widget" },
        })
        local client = temporal.connect({ url = "TEMPORAL" })
        print(json.encode(client:get_result({ workflow_id = handle.workflow_id })))
        worker:shutdown()
        """.replace("TEMPORAL", lua.address)
    )
    assert value["updated"] == {"target": "prod", "version": "v0.2.0"}
    assert value["denied"] == "PERMISSION_DENIED"
    assert (value["id_length"], value["is_real_time"], value["is_timed_out"]) == (32, True, True)
    info = value["info"]
    assert info["workflow_id"] == "order-12345"
    assert info["workflow_type"] == "Calls"
    assert info["namespace"] == "default"
    assert info["task_queue"] == "calls"
    assert info["attempt"] == 1
    assert isinstance(info["start_time"], float)
