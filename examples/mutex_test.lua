test("two users never hold the lock at the same time", function()
  local inside, most = 0, 0
  local env = test.workflow_env({
    script = "mutex.lua",
    activities = {
      use = function()
        inside = inside + 1
        most = math.max(most, inside)
        sleep(0.05)
        inside = inside - 1
      end,
    },
  })
  local lock = env:start({ workflow_type = "Mutex", workflow_id = "lock", input = 3 })
  for _ = 1, 3 do
    env:start({ workflow_type = "User", input = "lock" })
  end
  assert.eq(lock:result(), 3)
  assert.eq(most, 1)
end)

test("a holder that never releases the lock loses it after its deadline", function()
  local env = test.workflow_env({ script = "mutex.lua" })
  local lock = env:start({ workflow_type = "Mutex", workflow_id = "lock", input = 1 })
  local client = temporal.connect()
  local request = { id = "nobody", seconds = 60 }
  pcall(client.signal_workflow, client, { workflow_id = "lock", signal_name = "lock", input = request })
  local ok, err = pcall(lock.result, lock)
  assert.eq(ok, false) -- it cannot signal a workflow that does not exist
  assert.eq(err.kind, "not_found")
end)
