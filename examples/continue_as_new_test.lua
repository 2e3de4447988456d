test("no deposit is lost when the account continues as new", function()
  local env = test.workflow_env({ script = "continue_as_new.lua" })
  local run = env:start({ workflow_type = "Account", input = { balance = 0, runs = 1 } })
  for amount = 1, 25 do
    run:signal("deposit", amount)
  end
  run:signal("close")
  local last = temporal.connect():get_result({ workflow_id = run:id() }) -- follows the workflow to its last run
  assert.eq(last.balance, 325)
end)
