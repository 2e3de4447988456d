local function environment(answer)
  return test.workflow_env({
    script = "expense.lua",
    activities = {
      create = function() end,
      ask = function()
        if not answer then
          activity.complete_async() -- and never completes
        end
        return answer
      end,
      pay = function() end,
    },
  })
end

test("an approved expense is paid", function()
  local env = environment("approved")
  assert.eq(env:execute({ workflow_type = "Expense", input = { id = "a-1", deadline = 3600 } }), "approved")
  assert.eq(#env:calls("pay"), 1)
end)

test("a rejected expense is not paid", function()
  local env = environment("rejected")
  assert.eq(env:execute({ workflow_type = "Expense", input = { id = "b-1", deadline = 3600 } }), "rejected")
  assert.eq(#env:calls("pay"), 0)
end)

test("an expense without an answer times out", function()
  local env = environment(nil)
  -- The server skips no time while an activity is open, so this deadline is a real second.
  assert.eq(env:execute({ workflow_type = "Expense", input = { id = "c-1", deadline = 1 } }), "timed out")
  assert.eq(#env:calls("pay"), 0)
end)
