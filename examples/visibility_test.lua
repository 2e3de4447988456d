test("the workflow shows its stage and its memo", function()
  local env = test.workflow_env({ script = "visibility.lua" })
  env:signal_at(3600, "ship")
  local result = env:execute({
    workflow_type = "Release",
    input = "v1.2",
    memo = { asked_by = "sales" },
    search_attributes = { Stage = "new" },
  })
  assert.eq(result.stage, "ship")
  assert.eq(result.memo, { asked_by = "sales", version = "v1.2" })
end)
