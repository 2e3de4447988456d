test("a new run takes the patched path", function()
  local env = test.workflow_env({ script = "patches.lua" })
  assert.eq(env:execute({ workflow_type = "Deploy" }), { "build in a box", "scan", "ship" })
end)
