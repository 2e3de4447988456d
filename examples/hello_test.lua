test("the greeting contains the name", function()
  local env = test.workflow_env({ script = "hello.lua" })
  assert.eq(env:execute({ workflow_type = "Greet", input = "Ada" }), "Hello, Ada!")
end)

test("the workflow returns the result of its activity", function()
  local env = test.workflow_env({
    script = "hello.lua",
    activities = {
      compose = function(name)
        return "Good day, " .. name .. "."
      end,
    },
  })
  assert.eq(env:execute({ workflow_type = "Greet", input = "Ada" }), "Good day, Ada.")
  assert.eq(#env:calls("compose"), 1)
end)
