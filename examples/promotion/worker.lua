-- The worker of the promotion workflow: a human approves, GitLab receives a commit, a webhook is notified.
--
--   assay run examples/promotion/worker.lua
--
-- TEMPORAL_ADDRESS is the address of the Temporal server (default: localhost:7233), METRICS the listen address of the
-- metrics endpoint (default: none).
local metrics = env.get("METRICS")

return temporal.worker({
  task_queue = "promotions",
  metrics = metrics and { prometheus = metrics },

  activities = {
    update_gitops = function(input)
      local resp = http.post(input.gitlab_url, input.commit, {
        headers = { ["PRIVATE-TOKEN"] = input.token },
      })
      if resp.status == 401 then
        error("PERMISSION_DENIED: GitLab refused the token")
      elseif resp.status ~= 201 then
        error("GitLab commit failed: HTTP " .. resp.status)
      end
      return json.parse(resp.body)
    end,

    notify = function(input)
      local resp = http.post(input.webhook, { text = input.message })
      if resp.status >= 300 then
        error("webhook failed: HTTP " .. resp.status)
      end
      return { sent = true }
    end,
  },

  workflows = {
    PromotionWorkflow = function(ctx, input)
      -- Stage 1: wait for human approval (or give up after 24 hours)
      local approval = ctx:wait_signal("approve", { timeout = 86400 })
      if not approval then
        return { status = "timed_out" }
      end

      -- Stage 2: update the GitOps overlays
      local commit = ctx:execute_activity("update_gitops", {
        gitlab_url = input.gitlab_url,
        commit = input.gitops_commit,
        token = input.token,
      }, {
        start_to_close_timeout = 30,
        retry_policy = { maximum_attempts = 3, non_retryable_errors = { "PERMISSION_DENIED" } },
      })

      -- Stage 3: notify
      ctx:execute_activity("notify", {
        webhook = input.webhook,
        message = "Deployed " .. input.version .. " to " .. input.target,
      })

      return { status = "done", commit_id = commit.short_id, approved_by = approval.user }
    end,
  },
})
