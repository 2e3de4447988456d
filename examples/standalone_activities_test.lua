-- The test server runs activities only for workflows: a small one calls the activity under test.
test("a busy activity is retried until it succeeds", function()
  local env = test.workflow_env({
    script = "standalone_activities.lua",
    workflows = {
      Resize = function(ctx, image)
        return ctx:execute_activity("resize", image, { task_queue = "standalone-activities" })
      end,
    },
  })
  local result = env:execute({ workflow_type = "Resize", input = { name = "dog", width = 120, is_slow = true } })
  assert.eq(result, "dog at 120")
  assert.eq(#env:calls("resize"), 3)
end)
