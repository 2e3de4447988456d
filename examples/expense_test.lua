local function environment(answer)
  return test.workflow_env({
    script = "expense.lua",
    activities = {
      create = function() end,
      ask = function()
        if not answer then
          activity.complete_async() -- and nobody ever completes it
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

test("a refused expense is not paid", function()
  local env = environment("refused")
  assert.eq(env:execute({ workflow_type = "Expense", input = { id = "b-1", deadline = 3600 } }), "refused")
  assert.eq(#env:calls("pay"), 0)
end)

test("no answer before the deadline is a refusal", function()
  local env = environment(nil)
  -- The server skips no time while an activity is open, so this deadline is a real second.
  assert.eq(env:execute({ workflow_type = "Expense", input = { id = "c-1", deadline = 1 } }), "nobody has answered")
  assert.eq(#env:calls("pay"), 0)
end)
