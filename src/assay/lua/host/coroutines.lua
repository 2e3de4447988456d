-- The coroutine library of scripts. A wait inside a coroutine is passed outward to the task.
local host = ...

local raw = coroutine
local isyieldable, raw_close, raw_resume, raw_status, raw_yield, running =
  raw.isyieldable, raw.close, raw.resume, raw.status, raw.yield, raw.running
local pack, unpack = table.pack, table.unpack
local rawequal, select, type = rawequal, select, type

local WAIT, roots, create = host.WAIT, host.roots, host.create

local blocked = setmetatable({}, host.WEAK_KEYS) -- the script's coroutines that wait for an operation

-- Return a description of `co` if it waits for an operation, so that only Python may resume it; else nil.
local function waiting(co)
  if blocked[co] or roots[co] and raw_status(co) == "suspended" then
    return "a coroutine that is waiting"
  end
end

-- Return the first argument of the function `name`, a coroutine. Raises Lua's own error for another value.
local function check(name, ...)
  local co = ...
  if type(co) ~= "thread" then
    host.call_raw(raw[name], ...)
  end
  return co
end

local function new(name, ...)
  local fn = ...
  if type(fn) ~= "function" then
    host.call_raw(raw[name], ...)
  end
  return create(host.protected and host.protected(fn) or fn)
end

host["coroutine.create"] = function(...)
  local co = new("create", ...)
  if host.number_of then
    host.number_of(co)
  end
  return co
end

host["coroutine.running"] = function()
  local co = running()
  return co, roots[co] ~= nil
end

host["coroutine.isyieldable"] = function(...)
  local co = ... == nil and running() or check("isyieldable", ...)
  return not roots[co] and isyieldable(co)
end

host["coroutine.yield"] = function(...)
  if roots[running()] then
    error("attempt to yield from outside a coroutine", 0)
  end
  return raw_yield(...)
end

local pass

local function resume(co, ...)
  return pass(co, raw_resume(co, ...))
end

function pass(co, ok, ...)
  if not ok then
    if host.is_limit then
      host.check_resumed(co, ...)
    end
    return false, ...
  elseif not rawequal(..., WAIT) then
    return true, ...
  end
  if not isyieldable() then
    host.ask("cancel", select(2, ...))
    return resume(co, "e", host.CANNOT_WAIT)
  end
  blocked[co] = true
  local outcome = pack(raw_yield(...))
  blocked[co] = nil
  return resume(co, unpack(outcome, 1, outcome.n))
end

host["coroutine.resume"] = function(...)
  local co = check("resume", ...)
  if waiting(co) then
    return false, "cannot resume " .. waiting(co)
  end
  return resume(...)
end

host["coroutine.status"] = function(...)
  local co = check("status", ...)
  return waiting(co) and "normal" or raw_status(co)
end

host["coroutine.close"] = function(...)
  local co = select("#", ...) == 0 and running() or check("close", ...)
  if roots[co] and rawequal(co, running()) then
    host.raise("cannot close main thread")
  elseif waiting(co) then
    host.raise("cannot close " .. waiting(co))
  end
  return raw_close(co)
end

local function unwrap(co, ok, ...)
  if ok then
    return ...
  end
  local problem = ...
  if raw_status(co) == "dead" then
    local closed, close_error = raw_close(co) -- an error in a __close replaces the first
    if not closed then
      problem = close_error
    end
  end
  if type(problem) == "string" then
    problem = host.position() .. problem
  end
  error(problem, 0)
end

host["coroutine.wrap"] = function(...)
  local co = new("wrap", ...)
  return function(...)
    if waiting(co) then
      host.raise("cannot resume " .. waiting(co))
    end
    return unwrap(co, resume(co, ...))
  end
end
