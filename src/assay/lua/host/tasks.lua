-- Tasks: coroutines that Python drives. A task runs until it ends or waits. To wait it yields (WAIT, operation id);
-- Python resumes it with the operation's outcome. The script's own coroutines pass such yields on (`coroutines.lua`),
-- so that waiting works in them too.
local host = ...

local raw_create, raw_resume, raw_status, running =
  coroutine.create, coroutine.resume, coroutine.status, coroutine.running
local raw_traceback = debug.traceback
local pack, unpack, xpcall = table.pack, table.unpack, xpcall

local WAIT = {}
local tasks = {} -- id -> coroutine
local roots = setmetatable({}, host.WEAK_KEYS) -- root coroutine of a task -> id of the task
local deliver = {} -- id -> format of the result: "wire", "call" (wire with functions), "json" or "keep" (stays in Lua)
local first = {} -- id -> function and arguments of a task that has not begun
local tracebacks = setmetatable({}, host.WEAK_KEYS) -- coroutine -> traceback of its error
local last_id = 0

host.WAIT, host.tasks, host.roots, host.deliver, host.first = WAIT, tasks, roots, deliver, first
host.tracebacks = tracebacks

-- Set by the parts of a workflow's state. `watch` is called with each new coroutine.
host.borrower, host.watch, host.is_limit, host.mark = false, false, false, false
host.check_limit, host.check_memory, host.has_decoded = false, false, false
host.note, host.number_of, host.protected = false, false, false

function host.create(fn)
  local co = raw_create(fn)
  if host.watch then
    host.watch(co)
  end
  return co
end

-- Restart the watch of the running coroutine, so that time spent in private code does not count against the script.
function host.restart_watch()
  local co, is_main = running()
  if host.watch and not is_main then
    host.watch(co)
  end
end

-- Message handler of a task. The traceback is taken here because to-be-closed variables, which may wait, run before the
-- error leaves the task.
function host.on_error(value)
  local co = running()
  tracebacks[co] = raw_traceback(co)
  if host.mark then
    return host.mark(value)
  end
  return value
end

-- The body of a task.
local function main(fn, ...)
  return xpcall(fn, host.on_error, ...)
end

-- Create a task whose coroutine runs `body`; returns its id and coroutine.
function host.new_task(delivery, body)
  last_id = last_id + 1
  local co = host.create(body)
  tasks[last_id], roots[co], deliver[last_id] = co, last_id, delivery
  return last_id, co
end

-- Create a task for Lua code; returns its id.
function host.spawn(delivery, fn, ...)
  local id = host.new_task(delivery, main)
  first[id] = pack(fn, ...)
  return id
end

-- Return the event for the end of a task. `ok` is nil if its coroutine has died.
local function ended(id, ok, ...)
  -- If a limit ended the task, no part may be loaded: it may be the memory limit.
  if host.is_limit and (not ok and host.is_limit(...) or host.limit) then
    return "limit", host.limit, host.limit_detail
  end
  return host.ended(id, ok, ...)
end

-- Return the event for the results of resuming a task.
function host.event_of(id, ok, done, ...)
  if not ok then
    return ended(id, nil, done)
  elseif raw_status(tasks[id]) == "suspended" then
    return "wait", ...
  elseif done == nil then -- the task closed itself
    return ended(id, true)
  end
  return ended(id, done, ...)
end

-- Called by Python ---------------------------------------------------------------------------------

-- Run task `id` until it waits or ends; returns an event. `...` is the outcome of the operation that it waits for.
function host.step(id, ...)
  if host.released[1] then
    host.report_released()
  end
  local arguments = first[id]
  if arguments then
    first[id] = nil
    return host.event_of(id, raw_resume(tasks[id], unpack(arguments, 1, arguments.n)))
  end
  return host.event_of(id, raw_resume(tasks[id], ...))
end
