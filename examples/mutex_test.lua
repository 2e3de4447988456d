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

test("a holder that fails keeps the lock no longer than its deadline", function()
  local env = test.workflow_env({
    script = "mutex.lua",
    activities = {
      use = function()
        error({ type = "CRASHED", message = "it never unlocks", non_retryable = true })
      end,
    },
  })
  local lock = env:start({ workflow_type = "Mutex", workflow_id = "lock", input = 2 })
  env:start({ workflow_type = "User", input = "lock" })
  env:start({ workflow_type = "User", input = "lock" })
  assert.eq(lock:result(), 2)
end)
