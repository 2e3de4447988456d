-- Metrics are recorded in a test too, but served only by a real worker: the test checks the workflow itself.
test("each item is packed", function()
  local env = test.workflow_env({ script = "metrics.lua" })
  env:execute({ workflow_type = "Order", input = { { kind = "book", boxes = 1 }, { kind = "chair", boxes = 4 } } })
  assert.eq(#env:calls("pack"), 2)
end)
