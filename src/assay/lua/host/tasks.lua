-- Tasks: the coroutines that Python drives. A task runs until it ends or waits; waiting is a yield of
-- (WAIT, operation id) that Python answers by resuming the task with the operation's outcome. The user's own
-- coroutines pass such yields outward, so that waiting works in them too.
local host = ...

local create, isyieldable, raw_close, raw_resume, raw_status, raw_yield, running =
  coroutine.create,
  coroutine.isyieldable,
  coroutine.close,
  coroutine.resume,
  coroutine.status,
  coroutine.yield,
  coroutine.running
local pack, unpack = table.pack, table.unpack

local WAIT = {}
local tasks = {} -- id -> coroutine
local roots = setmetatable({}, { __mode = "k" }) -- coroutine -> id of the task that it is the root of
local blocked = setmetatable({}, { __mode = "k" }) -- user coroutines inside which something waits
local deliver = {} -- id -> how the outcome leaves: "wire", "json" or "keep"
local outcomes = {} -- id -> outcome kept for `host.outcome`
local last_id = 0

-- Suspend the running task until the operation `id` is done; returns its outcome.
function host.wait(id)
  return raw_yield(WAIT, id)
end

function host.can_wait()
  return isyieldable()
end

local function spawn(delivery, fn)
  last_id = last_id + 1
  local co = create(fn)
  tasks[last_id], roots[co], deliver[last_id] = co, last_id, delivery
  return last_id
end

-- A task made by Lua code; its outcome stays in Lua.
function host.spawn(fn, ...)
  local arguments = pack(...)
  return spawn("keep", function()
    return fn(unpack(arguments, 1, arguments.n))
  end)
end

-- The kept outcome of a task: true and its results, or false and its error.
function host.outcome(id)
  local outcome = outcomes[id]
  outcomes[id] = nil
  return unpack(outcome, 1, outcome.n)
end

local function finish(id)
  local co = tasks[id]
  local delivery = deliver[id]
  tasks[id], deliver[id], roots[co] = nil, nil, nil
  return delivery, co
end

-- What Python sees of an error: "error", its message, its Lua traceback, and its value as wire (if it can be).
local function failure(value, traceback)
  local message = host.message_of(value)
  local text, sides
  if type(value) == "table" then
    text, sides = host.encode(value, "wire")
  end
  if not text then
    return "error", message, traceback
  end
  return "error", message, traceback, text, unpack(sides)
end

local function settle(id, ok, first, ...)
  local co = tasks[id]
  if ok and raw_status(co) == "suspended" then
    return "wait", (...)
  end
  local delivery = finish(id)
  if delivery == "keep" then
    outcomes[id] = pack(ok, first, ...)
    if ok then
      return "done"
    end
    return failure(first, host.traceback(co))
  elseif not ok then
    return failure(first, host.traceback(co))
  end
  local kind = type(first)
  if first == nil then
    return "done"
  elseif delivery == "wire" and (kind == "string" or kind == "number" or kind == "boolean") then
    return "done", first
  end
  local text, sides = host.encode(first, delivery)
  if not text then
    return "unfit", sides
  elseif sides then
    return "done", nil, text, unpack(sides)
  end
  return "json", text
end

-- Python's side ------------------------------------------------------------------------------------

-- Make a task of the held function `fn`; its result leaves as `delivery` says, its arguments come as an outcome.
function host.start(delivery, fn, ...)
  local arguments = pack(...)
  return spawn(delivery, function()
    return host.held(fn)(host.finish("call", unpack(arguments, 1, arguments.n)))
  end)
end

-- Run task `id` until it waits or ends, answering the operation that it waits for.
function host.step(id, ...)
  return settle(id, raw_resume(tasks[id], ...))
end

-- Forget a task that will never be resumed.
function host.drop(id)
  local _, co = finish(id)
  raw_close(co)
end

-- The coroutine library for scripts ----------------------------------------------------------------

local library = {
  create = create,
  isyieldable = isyieldable,
  running = running,
}

function library.yield(...)
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
  if not ok or first ~= WAIT then
    return ok, first, ...
  end
  if not isyieldable() then
    host.cancel(...)
    return resume(co, "e", "cannot wait here: a table.sort comparator or a string.gsub callback is running")
  end
  blocked[co] = true
  local outcome = pack(raw_yield(WAIT, ...))
  blocked[co] = nil
  return resume(co, unpack(outcome, 1, outcome.n))
end

function library.resume(co, ...)
  if blocked[co] then
    return false, "cannot resume a coroutine that is waiting"
  end
  return resume(co, ...)
end

function library.status(co)
  return blocked[co] and "normal" or raw_status(co)
end

function library.close(co)
  if blocked[co] then
    error("cannot close a coroutine that is waiting", 2)
  end
  return raw_close(co)
end

local function unwrap(co, ok, ...)
  if ok then
    return ...
  end
  if raw_status(co) == "suspended" or raw_status(co) == "dead" then
    raw_close(co)
  end
  error((...), 0)
end

function library.wrap(fn)
  local co = create(fn)
  return function(...)
    if blocked[co] then
      error("cannot resume a coroutine that is waiting", 2)
    end
    return unwrap(co, resume(co, ...))
  end
end

host.coroutine_library = library
