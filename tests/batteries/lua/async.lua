local check = require("check")

-- Results.
local task = async.spawn(function(a, b)
  sleep(0.01)
  return a + b, nil, "three"
end, 1, 2)
assert.eq(tostring(task), "async.Task")
assert.eq(task.await(), { 3, nil, "three" })
check.raises("task:await: already awaited", task.await)
check.raises("task:await: already awaited", task.await, task)
assert.eq(
  async
    .spawn(function()
      return 1
    end)
    :await(),
  { 1 }
)
assert.eq(async.spawn(function() end):await(), {})
local shared = {}
assert(async
  .spawn(function()
    return shared
  end)
  .await()[1] == shared, "a table stays the same table")
assert.eq(async.spawn(select, "#", nil, nil).await(), { 2 })

-- A task begins when the task that spawned it waits; tasks take turns.
local order = {}
local function note(text)
  order[#order + 1] = text
end
local first = async.spawn(function()
  note("first")
  sleep(0.02)
  note("first again")
end)
local second = async.spawn(function()
  note("second")
  sleep(0.001)
  note("second again")
end)
note("main")
async.all({ first, second })
assert.eq(order, { "main", "first", "second", "second again", "first again" })

-- Error values are passed on unchanged.
local value = { code = 7 }
local failing = async.spawn(function()
  sleep(0)
  error(value)
end)
assert(select(2, pcall(failing.await)) == value)
local ok, text = pcall(async.spawn(function()
  error("text")
end).await)
assert.matches(text, "async%.lua:%d+: text$")
assert.eq(
  pcall(async.spawn(function()
    error()
  end).await),
  false
)
assert.eq(pcall(async.spawn(error).await), false)

-- Awaiting a task that has already ended.
local ended = async.spawn(function()
  return "early"
end)
sleep(0.01)
assert.eq(ended.await(), { "early" })

-- Nested tasks, and many tasks.
local outer = async.spawn(function()
  local inner = async.spawn(function()
    sleep(0.001)
    return "inner"
  end)
  return inner.await()[1] .. " outer"
end)
assert.eq(outer.await(), { "inner outer" })
local tasks = {}
for i = 1, 1000 do
  tasks[i] = async.spawn(function()
    sleep(0.001)
    return i
  end)
end
local sum = 0
for _, results in ipairs(async.all(tasks)) do
  sum = sum + results[1]
end
assert.eq(sum, 500500)

-- Awaiting inside a coroutine.
local co = coroutine.wrap(function()
  coroutine.yield(async
    .spawn(function()
      sleep(0.001)
      return "a"
    end)
    .await()[1])
  return "b"
end)
assert.eq({ co(), co() }, { "a", "b" })

-- Cancelling: before the first step, while the task waits, and after its end.
local begun = false
local never = async.spawn(function()
  begun = true
end)
never.cancel()
local problem = check.raises("cancelled", never.await)
assert.eq(problem.kind, "cancelled")
assert.eq(begun, false)

local cleaned
local waiting = async.spawn(function()
  local guard <close> = setmetatable({}, {
    __close = function()
      sleep(0.001)
      cleaned = true
    end,
  })
  sleep(60)
end)
sleep(0)
waiting:cancel()
check.raises("cancelled", waiting.await)
assert.eq(cleaned, true)

local stubborn = async.spawn(function()
  local ok, problem = pcall(sleep, 60)
  sleep(0.001)
  return ok, problem.kind
end)
sleep(0)
stubborn.cancel()
assert.eq(stubborn.await(), { false, "cancelled" })

local finished = async.spawn(function()
  return 1
end)
sleep(0.01)
finished.cancel()
assert.eq(finished.await(), { 1 })

-- `all` raises the first error in order; the other tasks continue.
local late
local results = {
  pcall(async.all, {
    async.spawn(function()
      error("one", 0)
    end),
    async.spawn(function()
      sleep(0.005)
      late = true
    end),
  }),
}
assert.eq(results, { false, "one" })
sleep(0.05)
assert.eq(late, true)
assert.eq(async.all({}), {})
local once = async.spawn(function() end)
check.raises("task:await: already awaited", async.all, { once, once })

-- Intervals.
local calls, interval = 0, nil
local began = time()
interval = async.spawn_interval(function()
  calls = calls + 1
  if calls == 3 then
    interval.cancel()
  end
end, 10)
assert.eq(calls, 0)
sleep(0)
assert.eq(calls, 0, "the first call follows after one interval")
assert.eq(interval.await(), {}, "cancelled from within a call")
check.raises("task:await: already awaited", interval.await)
assert.eq(calls, 3)
assert.gt(time() - began, 0.029)
sleep(0.03)
assert.eq(calls, 3)

local stopped = async.spawn_interval(function()
  calls = calls + 1
end, 5)
stopped:cancel()
assert.eq(stopped:await(), {}, "cancelled before it began")
assert.eq(calls, 3)
local pausing = async.spawn_interval(print, 60000)
sleep(0.001)
pausing.cancel()
assert.eq(pausing.await(), {}, "cancelled between two calls")
local interrupted
local waiting_call = async.spawn_interval(function()
  interrupted = select(2, pcall(sleep, 60))
  error(interrupted)
end, 1)
sleep(0.05)
waiting_call.cancel()
assert.eq(waiting_call.await(), {}, "cancelled while a call waits")
assert.eq(interrupted.kind, "cancelled")
local awaiting = async.spawn(function()
  async.spawn_interval(print, 60000).await()
end)
sleep(0.001)
awaiting.cancel()
check.raises("cancelled", awaiting.await)

-- An interval in seconds precedes the function.
local in_seconds
in_seconds = async.spawn_interval(0.01, function()
  calls = calls + 1
  if calls == 5 then
    in_seconds.cancel()
  end
end)
began = time()
assert.eq(in_seconds.await(), {})
assert.eq(calls, 5)
assert.gt(time() - began, 0.019)

-- Bad arguments.
check.raises("async.spawn: bad argument 'fn' (function expected, got nil)", async.spawn)
check.raises("async.spawn: bad argument 'fn' (function expected, got table)", async.spawn, {})
check.raises("async.spawn_interval: bad argument 'fn' (function expected, got number)", async.spawn_interval, 5)
for _, ms in ipairs({ 0, -1, 0 / 0, math.huge, "x", {} }) do
  local ok, message = pcall(async.spawn_interval, print, ms)
  assert.eq(ok, false)
  assert.contains(message, "async.spawn_interval: bad argument 'ms' (a number above 0 expected, got ")
end
for _, seconds in ipairs({ 0, -1, 0 / 0, math.huge }) do
  local ok, message = pcall(async.spawn_interval, seconds, print)
  assert.eq(ok, false)
  assert.contains(message, "async.spawn_interval: bad argument 'seconds' (a number above 0 expected, got ")
end
check.raises("async.all: bad argument 'tasks' (table expected, got nil)", async.all)
check.raises("async.all: bad argument 'tasks', item 2 (async.Task expected, got number)", async.all, {
  async.spawn(function() end),
  5,
})

-- What a task returned or raised is released once it was awaited.
local released = setmetatable({}, { __mode = "v" })
for how, finish in pairs({
  returned = function(value)
    return value
  end,
  raised = error,
}) do
  local finished = async.spawn(function()
    local value = {}
    released[how] = value
    return finish(value)
  end)
  sleep(0.01) -- awaiting a task that has completed does not involve Python
  pcall(finished.await, finished)
end
collectgarbage()
collectgarbage()
assert.eq(released, {})

-- An endless task does not keep the script running.
async.spawn(function()
  while true do
    pcall(sleep, 1)
  end
end)
sleep(0.001)

-- A slow first step of a task, such as an import, does not shorten the `sleep` of another task.
local ready
async.spawn(function()
  local began = os.clock()
  repeat
  until os.clock() - began > 0.2
  sleep(0.01)
  ready = true
end)
sleep(0.1)
assert.eq(ready, true)
