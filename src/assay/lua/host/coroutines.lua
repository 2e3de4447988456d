-- The coroutine library of scripts: what waits in a coroutine passes its wait outward, to the task.
local host = ...

local isyieldable, raw_close, raw_resume, raw_status, raw_yield, running =
  coroutine.isyieldable, coroutine.close, coroutine.resume, coroutine.status, coroutine.yield, coroutine.running
local pack, unpack = table.pack, table.unpack
local rawequal, select, type = rawequal, select, type

local WAIT, roots, create = host.WAIT, host.roots, host.create

local blocked = setmetatable({}, host.WEAK_KEYS) -- the script's coroutines inside which something waits

-- Why a script may not touch `co`, or nil: the answer that it waits for comes from Python.
local function waiting(co)
  if blocked[co] or roots[co] and raw_status(co) == "suspended" then
    return "a coroutine that is waiting"
  end
end

local function check(co, name)
  if type(co) ~= "thread" then
    error("bad argument #1 to '" .. name .. "' (coroutine expected, got " .. host.describe(co) .. ")", 3)
  end
end

host["coroutine.create"] = function(fn)
  local co = create(fn)
  if host.number_of then
    host.number_of(co)
  end
  return co
end

host["coroutine.running"] = function()
  local co = running()
  return co, roots[co] ~= nil
end

host["coroutine.isyieldable"] = function(co)
  if co == nil then
    co = running()
  else
    check(co, "isyieldable")
  end
  return not roots[co] and isyieldable(co)
end

host["coroutine.yield"] = function(...)
  if roots[running()] then
    error("attempt to yield from outside a coroutine", 2)
  end
  return raw_yield(...)
end

local pass

local function resume(co, ...)
  return pass(co, raw_resume(co, ...))
end

function pass(co, ok, first, ...)
  if not ok and host.is_limit then
    host.check_limit(first)
  end
  if not ok or not rawequal(first, WAIT) then
    return ok, first, ...
  end
  if not isyieldable() then
    host.ask("cancel", ...)
    return resume(co, "e", host.CANNOT_WAIT)
  end
  blocked[co] = true
  local outcome = pack(raw_yield(WAIT, ...))
  blocked[co] = nil
  return resume(co, unpack(outcome, 1, outcome.n))
end

host["coroutine.resume"] = function(co, ...)
  check(co, "resume")
  if waiting(co) then
    return false, "cannot resume " .. waiting(co)
  end
  return resume(co, ...)
end

host["coroutine.status"] = function(co)
  check(co, "status")
  return waiting(co) and "normal" or raw_status(co)
end

host["coroutine.close"] = function(...)
  local co = ...
  if select("#", ...) == 0 then
    co = running()
  else
    check(co, "close")
  end
  if waiting(co) then
    error("cannot close " .. waiting(co), 2)
  end
  return raw_close(co)
end

local function unwrap(co, ok, ...)
  if ok then
    return ...
  end
  if raw_status(co) == "dead" then
    local closed, problem = raw_close(co) -- an error in a __close takes the place of the first
    if not closed then
      error(problem, 0)
    end
  end
  error((...), 0)
end

host["coroutine.wrap"] = function(fn)
  if type(fn) ~= "function" then
    error("bad argument #1 to 'wrap' (function expected)", 2)
  end
  local co = create(fn)
  return function(...)
    if waiting(co) then
      error("cannot resume " .. waiting(co), 2)
    end
    return unwrap(co, resume(co, ...))
  end
end
