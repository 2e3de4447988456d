local input = {
  version = "v0.2.0",
  target = "prod",
  gitlab_url = "https://gitlab.example.com",
  gitops_commit = require("commit")("v0.2.0", "prod"),
  token = "glpat-1",
  webhook = "https://chat.example.com",
}

local function environment(update_gitops)
  return test.workflow_env({
    script = "worker.lua",
    activities = {
      update_gitops = update_gitops or function()
        return { short_id = "d96bfdd8" }
      end,
      notify = function()
        return { sent = true }
      end,
    },
  })
end

test("an approved promotion commits and notifies", function()
  local env = environment()
  env:signal_at(3600, "approve", { user = "jane" })
  local result = env:execute({ workflow_type = "PromotionWorkflow", input = input })
  assert.eq(result, { status = "done", commit_id = "d96bfdd8", approved_by = "jane" })
  assert.eq(env:calls("notify")[1].input.message, "Deployed v0.2.0 to prod")
end)

test("a promotion without an approval times out after a day", function()
  local env = environment()
  assert.eq(env:execute({ workflow_type = "PromotionWorkflow", input = input }), { status = "timed_out" })
  assert.eq(env:calls(), {})
end)

test("a refused token is not retried", function()
  local env = environment(function()
    error("PERMISSION_DENIED: GitLab refused the token")
  end)
  env:signal_at(60, "approve", { user = "jane" })
  local ok, err = pcall(env.execute, env, { workflow_type = "PromotionWorkflow", input = input })
  assert.eq(ok, false)
  assert.eq(err.type, "PERMISSION_DENIED")
  assert.eq(#env:calls("update_gitops"), 1)
end)
