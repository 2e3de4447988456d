-- Tasks: the coroutines that Python drives. A task runs until it ends or waits; waiting is a yield of
-- (WAIT, operation id) that Python answers by resuming the task with the operation's outcome. The user's own
-- coroutines pass such yields outward, so that waiting works in them too.
local host = ...

local raw_create, isyieldable, raw_close, raw_resume, raw_status, raw_yield, running =
  coroutine.create,
  coroutine.isyieldable,
  coroutine.close,
  coroutine.resume,
  coroutine.status,
  coroutine.yield,
  coroutine.running
local getmetatable, next, pack, rawequal, type, unpack, xpcall =
  getmetatable, next, table.pack, rawequal, type, table.unpack, xpcall

host.CANNOT_WAIT =
  "cannot wait here: Lua cannot suspend a table.sort comparator, a string.gsub callback or a __tostring metamethod"

local WAIT = {}
local MOST_PARTS = 64 -- of a table that crosses as a record
local tasks = {} -- id -> coroutine
local roots = setmetatable({}, { __mode = "k" }) -- coroutine -> id of the task that it is the root of
local blocked = setmetatable({}, { __mode = "k" }) -- user coroutines inside which something waits
local deliver = {} -- id -> how the outcome leaves: "wire", "call" (wire with functions), "json" or "keep"
local outcomes = {} -- id -> outcome kept for `host.outcome`
local first = {} -- id -> what a task that has not begun is resumed with: its function and the arguments
local last_id = 0

-- A state with limits watches every coroutine from its start.
local function create(fn)
  local co = raw_create(fn)
  if host.watch then
    host.watch(co)
  end
  return co
end

-- Suspend the running task until the operation `id` is done; returns its outcome.
function host.wait(id)
  return raw_yield(WAIT, id)
end

-- An error leaves `fn` through its to-be-closed variables, which may wait, so the traceback is taken before.
local tracebacks = setmetatable({}, { __mode = "k" }) -- coroutine -> traceback of its error

local function on_error(value)
  local co = running()
  tracebacks[co] = host.traceback(co)
  return value
end

-- What a task runs.
local function main(fn, ...)
  return xpcall(fn, on_error, ...)
end

-- The same, with arguments as an outcome.
local function call(fn, ...)
  return fn(host.finish("call", ...))
end

local function main_of_call(fn, ...)
  return xpcall(call, on_error, fn, ...)
end

local function spawn(delivery, body)
  last_id = last_id + 1
  local co = create(body)
  tasks[last_id], roots[co], deliver[last_id] = co, last_id, delivery
  return last_id, co
end

-- A task made by Lua code; its outcome stays in Lua.
function host.spawn(fn, ...)
  local id = spawn("keep", main)
  first[id] = pack(fn, ...)
  return id
end

-- The kept outcome of a task: true and its results, or false and its error.
function host.outcome(id)
  local outcome = outcomes[id]
  outcomes[id] = nil
  return unpack(outcome, 1, outcome.n)
end

-- The results of a task, as an array, if it has ended and that without an error.
function host.results(id)
  local outcome = outcomes[id]
  if outcome and outcome[1] then
    outcomes[id] = nil
    return { unpack(outcome, 2, outcome.n) }
  end
end

local function finish(id)
  local co = tasks[id]
  local delivery = deliver[id]
  tasks[id], deliver[id], roots[co] = nil, nil, nil
  return delivery, co
end

-- What Python sees of an error: "error", its message, its Lua traceback, the id of the exception behind it (or 0),
-- and its value as wire (if it can be).
local function failure(value, traceback)
  local message = host.message_of(value)
  local text, sides
  if type(value) == "table" then
    text, sides = host.encode(value, "wire")
  end
  local origin = host.origin_of(value)
  if not text then
    return "error", message, traceback, origin
  end
  return "error", message, traceback, origin, text, unpack(sides)
end

-- Append the keys and values of `t`, whose keys are strings, to `parts`, which has `count` of them. Tables among the
-- values are left to `inner`, if there is one. Returns the new count; nil when `t` has something else or too much.
local function append(parts, count, t, inner)
  for key, value in next, t do
    local kind = type(value)
    if type(key) ~= "string" or count > MOST_PARTS then
      return nil
    elseif kind == "string" or kind == "number" or kind == "boolean" then
      parts[count + 1], parts[count + 2] = key, value
      count = count + 2
    elseif kind == "table" and inner and next(value) ~= nil and not getmetatable(value) then
      inner[#inner + 1] = key
    else
      return nil
    end
  end
  return count
end

-- A small table of plain things, and of tables of these, as a record (see `bind.lua`): it crosses faster so. Else nil.
local function fields(t)
  if type(t) ~= "table" or next(t) == nil or getmetatable(t) then
    return nil
  end
  local parts, inner = { 0 }, {}
  local count = append(parts, 1, t, inner)
  if not count then
    return nil
  end
  parts[1] = (count - 1) // 2
  for i = 1, #inner do
    local start = count
    count = append(parts, start + 2, t[inner[i]])
    if not count then
      return nil
    end
    parts[start + 1], parts[start + 2] = inner[i], (count - start - 2) // 2
  end
  return parts
end

local function ended(id, ok, first, ...)
  local delivery, co = finish(id)
  if host.limit_reached and host.limit_reached(ok, first) then
    return "limit", host.limit
  end
  if delivery == "keep" then
    outcomes[id] = pack(ok, first, ...)
    if ok then
      return "done"
    end
    return failure(first, tracebacks[co])
  elseif not ok then
    return failure(first, tracebacks[co])
  end
  local kind = type(first)
  if first == nil then
    return "done"
  elseif delivery ~= "json" and (kind == "string" or kind == "number" or kind == "boolean") then
    return "done", first
  end
  local parts = delivery == "call" and fields(first)
  if parts then
    return "fields", unpack(parts)
  end
  local text, sides
  if delivery == "json" then
    text, sides = host.encode_value(first)
  else
    text, sides = host.encode(first, delivery)
  end
  if not text then
    return "unfit", sides
  elseif sides then
    return "done", nil, text, unpack(sides)
  end
  return "json", text
end

local function settle(id, ok, ...)
  local co = tasks[id]
  if not ok then
    tracebacks[co] = host.traceback(co)
    return ended(id, false, ...)
  elseif raw_status(co) == "suspended" then
    return "wait", (select(2, ...))
  elseif select("#", ...) == 0 then -- the task closed itself
    return ended(id, true)
  end
  return ended(id, ...)
end

-- Python's side ------------------------------------------------------------------------------------

-- Make a task of the held function `id`; its result leaves as `delivery` says, its arguments come as an outcome.
function host.start(delivery, id, ...)
  local task = spawn(delivery, main_of_call)
  first[task] = pack(host.held(id), ...)
  return task
end

-- The same, and its first step.
function host.run(delivery, id, ...)
  if host.released[1] then
    host.tell_released()
  end
  local task, co = spawn(delivery, main_of_call)
  return task, settle(task, raw_resume(co, host.held(id), ...))
end

-- Run task `id` until it waits or ends, answering the operation that it waits for.
function host.step(id, ...)
  if host.released[1] then
    host.tell_released()
  end
  local arguments = first[id]
  if arguments then
    first[id] = nil
    return settle(id, raw_resume(tasks[id], unpack(arguments, 1, arguments.n)))
  end
  return settle(id, raw_resume(tasks[id], ...))
end

-- Where task `id` waits, as a traceback.
function host.where(id)
  return tasks[id] and host.traceback(tasks[id]) or ""
end

-- Forget a task that will never be resumed.
function host.drop(id)
  first[id] = nil
  local _, co = finish(id)
  raw_close(co)
end

-- Forget the kept outcome of a task.
function host.forget(id)
  outcomes[id] = nil
end

-- The coroutine library for scripts ----------------------------------------------------------------

local library = { create = create }

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

function library.running()
  local co = running()
  return co, roots[co] ~= nil
end

function library.isyieldable(co)
  if co == nil then
    co = running()
  else
    check(co, "isyieldable")
  end
  return not roots[co] and isyieldable(co)
end

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
  if not ok and host.check_limit then
    host.check_limit(first)
  end
  if not ok or not rawequal(first, WAIT) then
    return ok, first, ...
  end
  if not isyieldable() then
    host.cancel(...)
    return resume(co, "e", host.CANNOT_WAIT)
  end
  blocked[co] = true
  local outcome = pack(raw_yield(WAIT, ...))
  blocked[co] = nil
  return resume(co, unpack(outcome, 1, outcome.n))
end

function library.resume(co, ...)
  check(co, "resume")
  if waiting(co) then
    return false, "cannot resume " .. waiting(co)
  end
  return resume(co, ...)
end

function library.status(co)
  check(co, "status")
  return waiting(co) and "normal" or raw_status(co)
end

function library.close(...)
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

function library.wrap(fn)
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

host.coroutine_library = library
