-- The test server has no Nexus endpoints: the workflow behind an operation is tested by itself.
test("the approval names who approved", function()
  local env = test.workflow_env({ script = "nexus.lua" })
  env:signal_at(3600, "approve", "jane")
  assert.eq(
    env:execute({ workflow_type = "Approval", input = { id = "1", note = ", with pleasure" } }),
    "approved by jane, with pleasure"
  )
end)
