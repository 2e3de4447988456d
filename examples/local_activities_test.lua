local env_options = { script = "local_activities.lua" }

test("the prices are added up", function()
  local env = test.workflow_env(env_options)
  local result = env:execute({ workflow_type = "Order", input = { "apple", "pear" } })
  assert.eq(result.total, 5)
  assert.eq(result.plum, "NO_PRICE")
end)

test("a local activity that keeps failing fails the workflow", function()
  local env = test.workflow_env({
    script = "local_activities.lua",
    activities = {
      price = function()
        error({ type = "CLOSED", message = "the shop is closed", non_retryable = true })
      end,
    },
  })
  local ok, err = pcall(env.execute, env, { workflow_type = "Order", input = { "apple" } })
  assert.eq(ok, false)
  assert.eq(err.type, "CLOSED")
end)
