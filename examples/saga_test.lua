test("all bookings succeed", function()
  local env = test.workflow_env({ script = "saga.lua" })
  assert.eq(env:execute({ workflow_type = "Trip", input = {} }), "booked")
  assert.eq(env:calls("cancel"), {})
end)

local function cancelled(env)
  local names = {}
  for i, call in ipairs(env:calls("cancel")) do
    names[i] = call.input
  end
  return names
end

test("a failed booking undoes the others in reverse order", function()
  local env = test.workflow_env({ script = "saga.lua" })
  local ok, err = pcall(env.execute, env, { workflow_type = "Trip", input = { full = "car" } })
  assert.eq(ok, false)
  assert.eq(err.type, "FULL")
  assert.eq(cancelled(env), { "car", "hotel", "flight" })
end)

test("a cancellation undoes the bookings too", function()
  local env = test.workflow_env({ script = "saga.lua" })
  local run = env:start({ workflow_type = "Trip", input = { think = 3600 } })
  env:sleep(60)
  run:cancel()
  local ok, err = pcall(run.result, run)
  assert.eq(ok, false)
  assert.eq(err.kind, "cancelled")
  assert.eq(cancelled(env), { "hotel", "flight" })
end)
