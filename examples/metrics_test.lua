-- Only a real worker serves metrics, so this test checks only the workflow.
test("each item is packed", function()
  local env = test.workflow_env({ script = "metrics.lua" })
  env:execute({ workflow_type = "Order", input = { { kind = "book", boxes = 1 }, { kind = "chair", boxes = 4 } } })
  assert.eq(#env:calls("pack"), 2)
end)
