-- Tasks: the coroutines that Python drives. A task runs until it ends or waits; waiting is a yield of
-- (WAIT, operation id) that Python answers by resuming the task with the operation's outcome. The user's own
-- coroutines pass such yields outward (`coroutines.lua`), so that waiting works in them too.
local host = ...

local raw_create, raw_resume, raw_status, running =
  coroutine.create, coroutine.resume, coroutine.status, coroutine.running
local raw_traceback = debug.traceback
local pack, unpack, xpcall = table.pack, table.unpack, xpcall

local WAIT = {}
local tasks = {} -- id -> coroutine
local roots = setmetatable({}, host.WEAK_KEYS) -- coroutine -> id of the task that it is the root of
local deliver = {} -- id -> how the outcome leaves: "wire", "call" (wire with functions), "json" or "keep"
local first = {} -- id -> what a task that has not begun is resumed with: its function and the arguments
local tracebacks = setmetatable({}, host.WEAK_KEYS) -- coroutine -> Lua's traceback of its error
local last_id = 0

host.WAIT, host.tasks, host.roots, host.deliver, host.first = WAIT, tasks, roots, deliver, first
host.tracebacks = tracebacks

-- What only a state with limits has: `watch` sees each coroutine from its start.
host.borrower, host.watch, host.is_limit, host.mark = false, false, false, false
host.check_limit, host.check_memory, host.has_decoded, host.note, host.number_of, host.protected = false, false, false, false, false, false

function host.create(fn)
  local co = raw_create(fn)
  if host.watch then
    host.watch(co)
  end
  return co
end

-- Watch the running coroutine as one that has just begun: what this side did says nothing of the script's pace.
function host.restart_watch()
  local co, is_main = running()
  if host.watch and not is_main then
    host.watch(co)
  end
end

-- An error leaves a task through its to-be-closed variables, which may wait, so the traceback is taken before.
function host.on_error(value)
  local co = running()
  tracebacks[co] = raw_traceback(co)
  if host.mark then
    return host.mark(value)
  end
  return value
end

-- What a task runs.
local function main(fn, ...)
  return xpcall(fn, host.on_error, ...)
end

-- A task whose coroutine runs `body`.
function host.new_task(delivery, body)
  last_id = last_id + 1
  local co = host.create(body)
  tasks[last_id], roots[co], deliver[last_id] = co, last_id, delivery
  return last_id, co
end

-- A task made by Lua code; its outcome stays in Lua, when nothing else is said of it.
function host.spawn(delivery, fn, ...)
  local id = host.new_task(delivery, main)
  first[id] = pack(fn, ...)
  return id
end

-- The event for Python when the function of a task has ended; `ok` is nil when its coroutine has died.
local function ended(id, ok, ...)
  -- Nothing may be loaded for what a limit has ended: it may be that of memory.
  if host.is_limit and (not ok and host.is_limit(...) or host.limit) then
    return "limit", host.limit, host.limit_detail
  end
  return host.ended(id, ok, ...)
end

-- The same of a task that was resumed.
function host.settle(id, ok, done, ...)
  if not ok then
    return ended(id, nil, done)
  elseif raw_status(tasks[id]) == "suspended" then
    return "wait", ...
  elseif done == nil then -- the task closed itself
    return ended(id, true)
  end
  return ended(id, done, ...)
end

-- Python's side ------------------------------------------------------------------------------------

-- Run task `id` until it waits or ends, answering the operation that it waits for.
function host.step(id, ...)
  if host.released[1] then
    host.report_released()
  end
  local arguments = first[id]
  if arguments then
    first[id] = nil
    return host.settle(id, raw_resume(tasks[id], unpack(arguments, 1, arguments.n)))
  end
  return host.settle(id, raw_resume(tasks[id], ...))
end
