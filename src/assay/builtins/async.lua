local host, internal = ...

local function check_function(name, fn)
  if type(fn) ~= "function" then
    host.raise("async." .. name .. ": bad argument 'fn' (function expected, got " .. host.describe(fn) .. ")")
  end
end

-- Start a task and return its handle. The methods are bound to it, so that they work without a colon too.
local function start(fn, ...)
  local id = host.spawn("keep", fn, ...)
  local task = internal._spawn(id)
  local await, cancel = task.await, task.cancel
  local awaited = false
  task.await = function()
    if awaited then
      host.raise("task:await: already awaited")
    end
    awaited = true
    return host.results(id) or await(task)
  end
  task.cancel = function()
    return cancel(task)
  end
  return task
end

local function spawn(fn, ...)
  check_function("spawn", fn)
  return start(fn, ...)
end

local function check_interval(name, value)
  if not math.type(value) or not (value > 0 and value < math.huge) then
    local got = math.type(value) and tostring(value) or host.describe(value)
    host.raise("async.spawn_interval: bad argument '" .. name .. "' (a number above 0 expected, got " .. got .. ")")
  end
end

-- Arguments: (fn, milliseconds) or (seconds, fn).
local function spawn_interval(fn, ms)
  local seconds
  if math.type(fn) and type(ms) == "function" then
    seconds, fn = fn, ms
    check_interval("seconds", seconds)
  else
    check_function("spawn_interval", fn)
    check_interval("ms", ms)
    seconds = ms / 1000
  end
  local cancelled = false
  local task = start(function()
    repeat
      internal._pause(seconds)
      local ok, problem = pcall(fn)
      if not ok and not cancelled then
        internal._failed(host.message_of(problem))
      end
    until cancelled
  end)
  local await, cancel = task.await, task.cancel
  task.await = function()
    local ok, results = pcall(await)
    if ok then
      return results
    elseif cancelled and host.is_error(results) and results.kind == "cancelled" then
      return {}
    end
    error(results, 0)
  end
  task.cancel = function()
    cancelled = true
    return cancel()
  end
  return task
end

local function all(tasks)
  if type(tasks) ~= "table" or host.is_handle(tasks) then
    host.raise("async.all: bad argument 'tasks' (table expected, got " .. host.describe(tasks) .. ")")
  end
  local count, results = #tasks, {}
  for i = 1, count do
    if host.is_handle(tasks[i]) ~= "async.Task" then
      local got = host.describe(tasks[i])
      host.raise("async.all: bad argument 'tasks', item " .. i .. " (async.Task expected, got " .. got .. ")")
    end
  end
  for i = 1, count do
    local ok, result = pcall(tasks[i].await)
    if not ok then
      error(result, 0)
    end
    results[i] = result
  end
  return results
end

return { spawn = spawn, spawn_interval = spawn_interval, all = all }
