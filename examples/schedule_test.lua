-- The test server has no schedules: the workflow that the schedule starts is tested by itself.
test("the report names its department", function()
  local env = test.workflow_env({ script = "schedule.lua" })
  assert.eq(env:execute({ workflow_type = "Report", input = "sales" }), "report of sales")
end)
