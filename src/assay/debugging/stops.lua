-- Stops of a debugged state: the line hook, breakpoints and steps, and the requests answered while the program is
-- stopped. Each coroutine has a line hook and no count hook, such as that of the limits: after a count hook Lua takes
-- the next instruction for a new line. While stopped, this side fetches requests from Python, so that nothing calls
-- into a busy state.
local host = ...

local debugger = host.debugger

local callbacks, file_of, is_same_step = debugger.callbacks, debugger.file_of, debugger.is_same_step

local getinfo, sethook = debug.getinfo, debug.sethook
local raw_status, running = coroutine.status, coroutine.running
local next, pcall, rawget = next, pcall, rawget

local POLL_INTERVAL = 1000 -- lines between two checks for new settings

host.has_no_limits = true

local busy = false -- the debugger's own code is running, which is not debugged
local version = 0 -- of the settings
local points = {} -- file -> line -> breakpoints
local lines = {} -- set of lines on which any file has a breakpoint
local has_spans = false -- a breakpoint is on a multi-line statement: all lines must be tracked
local filters = {} -- set of errors to stop at: "uncaught", "raised"
local calls = {} -- number of a call of Python -> text of the stop
local pending -- requested stop at the next line: { reason, text }
local step -- { mode, co, below, chain }
local is_counted = false -- lines and calls are counted: the run can run again
local ticks, call_count = 0, 0 -- lines and calls so far
local lines_since_poll = 0
local rewind -- position to stop at or to search for, in a replay: { target, reason, record, thread, below, found }
local hits = {} -- breakpoint id -> hit count

-- Settings -------------------------------------------------------------------------------------------------------

local function apply(changes)
  version = changes.version
  filters, is_counted = changes.filters, changes.counted
  calls = {}
  for _, item in ipairs(changes.calls) do
    calls[item.number] = item.text
  end
  if changes.pause then
    pending = changes.pause
  end
  if changes.rewind then
    rewind = changes.rewind
  end
  points, lines, has_spans = {}, {}, false
  for _, point in ipairs(changes.points) do
    local of_file = points[point.file] or {}
    points[point.file] = of_file
    of_file[point.line] = of_file[point.line] or {}
    table.insert(of_file[point.line], point)
    lines[point.line] = true
    has_spans = has_spans or point.last ~= nil
  end
end

local function fetch_changes()
  local text = callbacks.changes(version)
  if text ~= "" then
    apply((host.decode_value(text)))
  end
end

-- Call `fn` without debugging it. Returns its result, or false if it fails: the stack may be full, in which case the
-- script's next call fails too.
local function quietly(fn, ...)
  busy = true
  local ok, result = pcall(fn, ...)
  busy = false
  return ok and result
end

debugger.quietly = quietly

local function poll()
  quietly(fetch_changes)
end

-- Requests while stopped -----------------------------------------------------------------------------------------

-- Raise an error that no script can catch, to abandon the run.
local function abandon()
  step, pending, rewind = nil, nil, nil
  busy = true
  if rawget(host, "LIMIT") then
    host.limit = host.limit or "interrupted"
    error(host.LIMIT, 0)
  end
  error("the program was ended by the debugger", 0)
end

local handlers = {}

function handlers.stackTrace(request)
  return debugger.stack_trace(request.threadId, request.startFrame or 0, request.levels or 0)
end

function handlers.scopes(request)
  return debugger.scopes(request.frameId)
end

function handlers.variables(request)
  return debugger.variables(request.variablesReference)
end

local function evaluate(text, frame)
  local ok, value = debugger.evaluate(text, frame)
  if not ok then
    error(debugger.printable(value), 0)
  end
  return value
end

function handlers.evaluate(request)
  local value = evaluate(request.expression, request.frameId and debugger.frame(request.frameId))
  return debugger.variable(nil, value, request.expression, "result")
end

function handlers.setVariable(request)
  local item, frame = debugger.settable(request.variablesReference, request.name)
  local value = evaluate(request.value, frame)
  item.set(value)
  return debugger.variable(nil, value)
end

-- Return the position of a thread: the tick, and the number of frames below its innermost frame of the script.
function handlers.position(request)
  local co = debugger.find_thread(request.threadId)
  local frame = co and debugger.stack(co, 1)[1]
  return { ticks = ticks, below = frame and debugger.depth(co) - 1 - frame.level or 0 }
end

local function answer(request)
  local handler = handlers[request.command]
  local ok, result = debugger.aside(handler, request.arguments)
  if not ok then
    return { message = debugger.printable(host.message_of(result)) }
  end
  return { body = result }
end

-- Return the set of coroutines that have resumed `co`, directly or indirectly.
local function chain_of(co)
  local chain = {}
  for other in next, debugger.ids do
    if other ~= co and raw_status(other) == "normal" then
      chain[other] = true
    end
  end
  return chain
end

local function begin_step(mode, id)
  local co = debugger.find_thread(id)
  local ok, below = debugger.aside(function()
    local frame = co and debugger.stack(co, 1)[1]
    return frame and debugger.depth(co) - 1 - frame.level
  end)
  if ok and below then
    step = { mode = mode, co = co, below = below, chain = chain_of(co) }
  end
end

-- Stop thread `id` and answer requests until the program continues. `event` is the body of the "stopped" event.
local function stop(id, event)
  busy = true
  step, pending = nil, nil
  event.threadId = id
  local _, threads = debugger.aside(debugger.threads)
  event.threads, event.ticks = threads, ticks
  callbacks.stopped((host.encode_value(event)))
  local text = ""
  while true do
    local request = host.decode_value((callbacks.request(text)))
    if request.command == "go" then
      if request.mode ~= "continue" then
        begin_step(request.mode, request.threadId)
      end
      break
    elseif request.command == "abandon" then
      abandon()
    end
    text = host.encode_value(answer(request))
  end
  debugger.forget()
  busy = false
  poll()
end

debugger.stop = stop

-- Return true if the program stops at errors of a kind: "uncaught" or "raised".
function debugger.stops_at(filter)
  return not busy and not rewind and filters[filter]
end

-- Lines ----------------------------------------------------------------------------------------------------------

-- Evaluate the conditions of the breakpoints of a line. Returns the ids of those that are hit, or nil.
local function reached(of_line, co)
  local ids = {}
  local frame
  for i = 1, #of_line do
    local point = of_line[i]
    local ok, holds = true, true
    frame = frame or debugger.stack(co, 1)[1]
    if point.condition then
      ok, holds = debugger.evaluate(point.condition, frame)
      if not ok then
        callbacks.output("the condition '" .. point.condition .. "' failed: " .. debugger.printable(holds) .. "\n")
      end
    end
    if not ok or holds then
      hits[point.id] = (hits[point.id] or 0) + 1
      if point.hitCondition and not debugger.matches_count(point.hitCondition, hits[point.id]) then
        holds = false
      elseif point.logMessage then
        callbacks.output(debugger.interpolate(point.logMessage, frame) .. "\n")
        holds = false
      end
    end
    if not ok or holds then
      ids[#ids + 1] = point.id
    end
  end
  return ids[1] and ids or nil
end

local function reached_points(of_line, co)
  busy = true
  local ok, ids = debugger.aside(reached, of_line, co)
  busy = false
  return ok and ids or nil
end

-- Handle a line while rewinding: record the last matching line before the target, or stop at the target.
local function rewind_line(co, of_line)
  if ticks < rewind.target then
    if rewind.record == "line" then
      -- This is a tail call, so that it replaces the hook: level 2 is the function that runs.
      if debugger.ids[co] == rewind.thread and getinfo(rewind.below + 3, "l") == nil then
        rewind.found = ticks
      end
    elseif rewind.record == "point" and (pending or of_line and reached_points(of_line, co)) then
      rewind.found = ticks
    end
    pending = nil
  elseif rewind.record then
    busy = true
    callbacks.arrived(rewind.found or 1)
    abandon()
  else
    local reason = rewind.reason
    rewind, pending = nil, nil
    stop(debugger.ids[co], { reason = reason })
  end
end

local function hook(_, line)
  if busy then
    return
  end
  lines_since_poll = lines_since_poll + 1
  if lines_since_poll > POLL_INTERVAL then
    lines_since_poll = 0
    poll()
  end
  if not (is_counted or has_spans or step or pending or lines[line]) then
    return
  end
  local fn = getinfo(2, "f").func
  local file = file_of[fn]
  if file == nil then
    file = quietly(debugger.locate, fn)
  end
  if not file or is_same_step(fn, line, file) then
    return
  end
  local co = running()
  local of_line = lines[line] and points[file]
  of_line = of_line and of_line[line]
  ticks = ticks + 1
  if rewind then
    return rewind_line(co, of_line)
  end
  local ids = of_line and reached_points(of_line, co)
  if ids then
    return stop(debugger.ids[co], { reason = "breakpoint", hitBreakpointIds = ids })
  elseif pending then
    return stop(debugger.ids[co], { reason = pending.reason, text = pending.text, description = pending.text })
  elseif step then
    local ends
    if co == step.co then
      ends = step.mode == "in" or getinfo(step.below + (step.mode == "next" and 3 or 2), "l") == nil
    elseif raw_status(step.co) == "normal" then -- it has resumed this coroutine
      ends = step.mode == "in"
    else
      ends = step.chain[co]
    end
    if ends then
      return stop(debugger.ids[co], { reason = "step" })
    end
  end
end

function host.watch(co)
  if not busy then
    debugger.register(co)
    sethook(co, hook, "l")
  end
end

-- In a workflow's state, expressions are read-only.
function debugger.begin_evaluation()
  if rawget(host, "LIMIT") then
    callbacks.evaluating(true)
  end
end

function debugger.end_evaluation()
  if rawget(host, "LIMIT") then
    callbacks.evaluating(false)
  end
end

-- Calls to and from Python ---------------------------------------------------------------------------------------

local call, host_step, new_task = host.call, host.step, host.new_task

-- Calls of Python: those of methods of `ctx` lead to events of the history.
function host.call(...)
  if not busy then
    call_count = call_count + 1 -- counts like `replay/trace.lua`
    local text = calls[call_count]
    if text and rewind and rewind.record == "point" and ticks < rewind.target then
      rewind.found = ticks
    elseif text and not rewind then
      stop(debugger.ids[running()], { reason = "event", text = text, description = text })
    end
  end
  return call(...)
end

function host.step(...)
  poll()
  return host_step(...)
end

function host.new_task(...)
  if not busy then
    poll()
  end
  return new_task(...)
end

-- Stop while nothing runs, in the first thread that waits.
function host.stop_idle(reason, text)
  poll()
  local threads = debugger.threads()
  if threads[1] and not rewind then
    stop(threads[1].id, { reason = reason, text = text, description = text })
  end
end
