-- Calls from Python: tasks of functions that Python references.
local host = ...

local raw_resume = coroutine.resume
local pack, xpcall = table.pack, xpcall

local first, on_error = host.first, host.on_error

local function call(fn, ...)
  return fn(host.finish("call", ...))
end

-- The body of such a task. Its arguments are passed as an outcome.
local function main_of_call(fn, ...)
  return xpcall(call, on_error, fn, ...)
end

-- Create a task of the held function `id`; `delivery` is the format of its result (see `tasks.lua`).
function host.start(delivery, id, ...)
  local task = host.new_task(delivery, main_of_call)
  first[task] = pack(host.held(id), ...)
  return task
end

-- Create such a task and run its first step.
function host.run(delivery, id, ...)
  if host.released[1] then
    host.report_released()
  end
  local task, co = host.new_task(delivery, main_of_call)
  return task, host.event_of(task, raw_resume(co, host.held(id), ...))
end
