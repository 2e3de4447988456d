-- The Lua side of futures and conditions. The results of a future, or its error, are fetched from Python once and
-- cached, so that every call of `get` returns the same values.
local host = ...

local error, next, rawget, setmetatable, type = error, next, rawget, setmetatable, type
local script_pcall = host["_G.pcall"]
local pack, unpack = table.pack, table.unpack

local await_all, await_any = host.method("Context", "_await_all"), host.method("Context", "_await_any")
local spawn, wait_condition = host.method("Context", "_spawn"), host.method("Context", "_wait_condition")
local get_future, take_future = host.method("Future", "_get"), host.method("Future", "_take")

local cache = setmetatable({}, host.WEAK_KEYS) -- future -> { true, results… } or { false, error }

-- Return the results of a future that has ended, or raise its error.
local function take(f)
  local cached = cache[f]
  if not cached then
    cached = pack(script_pcall(take_future, f))
    cache[f] = cached
  end
  if cached[1] then
    return unpack(cached, 2, cached.n)
  end
  error(cached[2], 0)
end

host["future:get"] = function(f)
  if f == nil or not cache[f] then
    get_future(f)
  end
  return take(f)
end

-- Return a copy of an array, so that the script cannot change it during the wait; returns other values unchanged.
local function copy_array(name, futures)
  if type(futures) ~= "table" or host.is_handle(futures) then
    return futures
  elseif rawget(futures, "timeout") ~= nil then
    host.raise(name .. ": pass the timeout in a second table: " .. name .. "({…}, { timeout = seconds })")
  end
  local items, length, count = {}, #futures, 0
  for i = 1, length do
    items[i] = futures[i]
  end
  for key in next, futures do
    count = count + (key == "n" and 0 or 1) -- results of `table.pack` are arrays too
  end
  if count > length then
    host.raise(name .. ": bad argument 'futures' (array expected, got a table with other keys)")
  end
  return items
end

host["ctx:await_all"] = function(ctx, futures, options)
  futures = copy_array("ctx:await_all", futures)
  local failed = await_all(ctx, futures, options)
  if failed then
    take(futures[failed])
  end
  local results = {}
  for i = 1, #futures do
    results[i] = take(futures[i])
  end
  return results
end

host["ctx:await_any"] = function(ctx, futures, options)
  futures = copy_array("ctx:await_any", futures)
  local first = await_any(ctx, futures, options)
  if first then
    return first, take(futures[first])
  end
end

local function check_function(name, parameter, fn)
  if type(fn) ~= "function" then
    local got = host.describe(fn)
    host.raise("ctx:" .. name .. ": bad argument '" .. parameter .. "' (function expected, got " .. got .. ")")
  end
end

host["ctx:spawn"] = function(ctx, fn, ...)
  check_function("spawn", "function", fn)
  return spawn(ctx, host.spawn("keep", fn, ...))
end

local end_reading = setmetatable({}, {
  __close = function()
    host.is_reading = false
  end,
})

host["ctx:wait_condition"] = function(ctx, condition, options)
  check_function("wait_condition", "condition", condition)
  local problem
  local holds = wait_condition(ctx, function()
    host.is_reading = true
    local _ <close> = end_reading -- also if it tries to wait, which Python refuses
    local ok, value = script_pcall(condition)
    if not ok then
      problem = { value }
      return true
    end
    return value and true or false
  end, options)
  if problem then
    error(problem[1], 0)
  end
  return holds
end
