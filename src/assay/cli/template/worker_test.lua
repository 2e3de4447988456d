-- Run with `assay test`. The workflow's 30 days pass in milliseconds.

local function environment()
  return test.workflow_env({
    script = "worker.lua",
    activities = {
      greet = function(input)
        return "Hi " .. input.name
      end,
    },
  })
end

test("a reply ends the greeting", function()
  local env = environment()
  env:signal_at(86400, "reply", "thanks")
  local result = env:execute({ workflow_type = "Greeting", input = { name = "Ada" } })
  assert.eq(result, { said = "Hi Ada", reply = "thanks" })
  assert.eq(env:calls("greet")[1].input, { name = "Ada" })
end)

test("no reply comes", function()
  local result = environment():execute({ workflow_type = "Greeting", input = { name = "Ada" } })
  assert.eq(result.reply, "none within 30 days")
end)
