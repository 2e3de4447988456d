env.set("GITHUB_WEBHOOK_SECRET", "for tests")

test("a push is built and deployed", function()
  local environment = test.workflow_env({ script = "github_webhook.lua", arguments = { "0" } })
  local push = { repository = "octocat/hello", commit = "6113728f27ae82c7", by = "jane" }
  local result = environment:execute({ workflow_type = "Deploy", input = push })
  assert.eq(result, { image = "registry.example/octocat/hello:6113728", pushed_by = "jane" })
  assert.eq(environment:calls("deploy")[1].input, "registry.example/octocat/hello:6113728")
end)

test("a failing build is retried", function()
  local attempts = 0
  local environment = test.workflow_env({
    script = "github_webhook.lua",
    arguments = { "0" },
    activities = {
      build = function()
        attempts = attempts + 1
        return attempts == 3 and "image" or error("BUSY: no builder is free")
      end,
      deploy = function() end,
    },
  })
  local push = { repository = "octocat/hello", commit = "6113728f27ae82c7", by = "jane" }
  assert.eq(environment:execute({ workflow_type = "Deploy", input = push }).image, "image")
  assert.eq(attempts, 3)
end)
