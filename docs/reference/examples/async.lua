--- async.spawn task:await
local task = async.spawn(function(name)
  sleep(0.01)
  return "hello " .. name
end, "Ada")
assert.eq(task.await(), { "hello Ada" }) -- the results of the function

--- async.spawn_interval
local count = 0
local timer
timer = async.spawn_interval(function()
  count = count + 1
  if count == 3 then
    timer.cancel()
  end
end, 10) -- every 10 ms
pcall(timer.await)
assert.eq(count, 3)

--- async.all
local tasks = {}
for i = 1, 3 do
  tasks[i] = async.spawn(function()
    return i * i
  end)
end
assert.eq(async.all(tasks), { { 1 }, { 4 }, { 9 } })

--- task:cancel
local slow = async.spawn(sleep, 3600)
slow.cancel()
local ok, err = pcall(slow.await)
assert.eq(err.kind, "cancelled")
