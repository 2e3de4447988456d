-- Where a debugged state stops, and what happens then. Each coroutine has a line hook, and no other: a hook for the
-- count, such as that of the limits, makes Lua take the next instruction for a new line. While the state stands still,
-- this side asks Python for one request after the other: nothing calls into a state that is busy.
local host = ...

local debugger = host.debugger

local internal = {}
host.fill(internal, "_.debugger")

local getinfo, sethook = debug.getinfo, debug.sethook
local raw_status, running = coroutine.status, coroutine.running
local byte, sub = string.byte, string.sub
local next, pcall, select, setmetatable, type, xpcall = next, pcall, select, setmetatable, type, xpcall

local MANY = 1000 -- lines between two looks for new settings and requests

host.has_no_limits = true

local busy = false -- this side is at work: what it runs is not debugged
local version = 0 -- of the settings and requests
local points = {} -- file -> line -> breakpoints
local lines = {} -- lines on which any file has one
local is_tracked = false -- one is on a statement of several lines: which line ran before is of interest
local filters = {} -- which errors stop: "uncaught", "raised"
local calls = {} -- number of a call of Python -> why to stop there
local pending -- why to stop at the next line: { reason, text }
local step -- { mode, co, below, chain }
local is_counted = false -- lines and calls are counted: the run will come to the same ones again
local ticks, call_count = 0, 0
local unseen = 0 -- lines since the last look
local trip -- on the way to an earlier line: { target, record, thread, below, found }
local hits = {} -- breakpoint -> how often it was reached

-- Files ---------------------------------------------------------------------------------------------------

local files = {} -- source of a chunk -> its file, or false
local file_of = setmetatable({}, host.WEAK_KEYS) -- function -> its file, or false when it is not the script's
local spans = {} -- file -> first lines of statements of several lines -> their last lines
local closing = {} -- file -> lines that only close brackets
local last_line = setmetatable({}, host.WEAK_KEYS) -- function -> the line that ran last in it

function debugger.file(source)
  if files[source] == nil then
    files[source] = internal.file(sub(source, 2))
  end
  return files[source]
end

local function look(fn)
  local info = getinfo(fn, "S")
  local file = false
  if not host.is_private(info) and byte(info.source) == byte("@") then
    file = debugger.file(info.source)
    if not spans[file] then
      local found = host.decode_value(internal.statements(file))
      spans[file], closing[file] = {}, {}
      for _, span in ipairs(found.spans) do
        spans[file][span[1]] = span[2]
      end
      for _, line in ipairs(found.closing) do
        closing[file][line] = true
      end
    end
  elseif not host.is_private(info) and info.what ~= "C" then
    file = ""
  end
  file_of[fn] = file
  return file
end

local called = setmetatable({}, host.WEAK_KEYS) -- function -> the lines of the call whose arguments it has evaluated

-- Settings and requests ------------------------------------------------------------------------------------

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
  if changes.trip then
    trip = changes.trip
  end
  points, lines, is_tracked = {}, {}, false
  for _, point in ipairs(changes.points) do
    local of_file = points[point.file] or {}
    points[point.file] = of_file
    of_file[point.line] = of_file[point.line] or {}
    table.insert(of_file[point.line], point)
    lines[point.line] = true
    is_tracked = is_tracked or point.last ~= nil
  end
end

local function look_for_changes()
  local text = internal.changes(version)
  if text ~= "" then
    apply((host.decode_value(text)))
  end
end

-- Do something of this side's own. It may find the stack full, which the script's next call will find too.
local function quietly(fn, ...)
  busy = true
  local ok, result = pcall(fn, ...)
  busy = false
  return ok and result
end

local function poll()
  quietly(look_for_changes)
end

-- Standing still ----------------------------------------------------------------------------------------------

-- Raise an error that no script can catch: the run is given up.
local function give_up()
  step, pending, trip = nil, nil, nil
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

local function evaluated(text, frame)
  local ok, value = debugger.evaluate(text, frame)
  if not ok then
    error(debugger.printable(value), 0)
  end
  return value
end

function handlers.evaluate(request)
  local value = evaluated(request.expression, request.frameId and debugger.frame(request.frameId))
  return debugger.variable(nil, value, request.expression, "result")
end

function handlers.setVariable(request)
  local item, frame = debugger.settable(request.variablesReference, request.name)
  local value = evaluated(request.value, frame)
  item.set(value)
  return debugger.variable(nil, value)
end

-- Where a thread stands: its depth, and how many lines have run.
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

-- The coroutines that wait, one within the other, until `co` yields or ends.
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

-- Stop at thread `id`, and serve until the program continues. `event` is the body of the editor's event.
local function serve(id, event)
  busy = true
  step, pending = nil, nil
  event.threadId = id
  local _, threads = debugger.aside(debugger.threads)
  event.threads, event.ticks = threads, ticks
  internal.stopped((host.encode_value(event)))
  local text = ""
  while true do
    local request = host.decode_value((internal.request(text)))
    if request.command == "go" then
      if request.mode ~= "continue" then
        begin_step(request.mode, request.threadId)
      end
      break
    elseif request.command == "abandon" then
      give_up()
    end
    text = host.encode_value(answer(request))
  end
  debugger.forget()
  busy = false
  poll()
end

-- The breakpoints of a line, of which one has to be fulfilled: returns their ids when the program stops here.
local function reached(of_line, co)
  local fulfilled = {}
  local frame
  for i = 1, #of_line do
    local point = of_line[i]
    local ok, holds = true, true
    frame = frame or debugger.stack(co, 1)[1]
    if point.condition then
      ok, holds = debugger.evaluate(point.condition, frame)
      if not ok then
        internal.output("the condition '" .. point.condition .. "' failed: " .. debugger.printable(holds) .. "\n")
      end
    end
    if not ok or holds then
      hits[point.id] = (hits[point.id] or 0) + 1
      if point.hitCondition and not debugger.counts(point.hitCondition, hits[point.id]) then
        holds = false
      elseif point.logMessage then
        internal.output(debugger.interpolate(point.logMessage, frame) .. "\n")
        holds = false
      end
    end
    if not ok or holds then
      fulfilled[#fulfilled + 1] = point.id
    end
  end
  return fulfilled[1] and fulfilled or nil
end

local function look_for_points(of_line, co)
  busy = true
  local ok, found = debugger.aside(reached, of_line, co)
  busy = false
  return ok and found or nil
end

-- On the way to an earlier line of the same run: nothing is shown, and the last line that fits is kept.
local function travel(co, of_line)
  if ticks < trip.target then
    if trip.record == "line" then
      -- It has taken the place of the hook: level 2 is the function that runs.
      if debugger.ids[co] == trip.thread and getinfo(trip.below + 3, "l") == nil then
        trip.found = ticks
      end
    elseif trip.record == "point" and (pending or of_line and look_for_points(of_line, co)) then
      trip.found = ticks
    end
    pending = nil
  elseif trip.record then
    busy = true
    internal.arrived(trip.found or 1)
    give_up()
  else
    local reason = trip.reason
    trip, pending = nil, nil
    serve(debugger.ids[co], { reason = reason })
  end
end

-- Return true if a line is not a new step: what comes after the arguments of a call over several lines belongs to its first line.
local function is_old(fn, line, of_file)
  local before, last, done = last_line[fn], of_file and of_file[line], called[fn]
  last_line[fn] = line
  if last and before and before > line and before <= last then
    called[fn] = { line, last }
    return true
  elseif done and line > done[1] and line <= done[2] then
    return true
  end
  called[fn] = nil
  return false
end

local function hook(_, line)
  if busy then
    return
  end
  unseen = unseen + 1
  if unseen > MANY then
    unseen = 0
    poll()
  end
  if not (is_counted or is_tracked or step or pending or lines[line]) then
    return
  end
  local fn = getinfo(2, "f").func
  local file = file_of[fn]
  if file == nil then
    file = quietly(look, fn)
  end
  if not file then
    return
  end
  if closing[file] and closing[file][line] or is_old(fn, line, spans[file]) then
    return
  end
  local co = running()
  local of_line = lines[line] and points[file]
  of_line = of_line and of_line[line]
  ticks = ticks + 1
  if trip then
    return travel(co, of_line)
  end
  local found = of_line and look_for_points(of_line, co)
  if found then
    return serve(debugger.ids[co], { reason = "breakpoint", hitBreakpointIds = found })
  elseif pending then
    return serve(debugger.ids[co], { reason = pending.reason, text = pending.text, description = pending.text })
  elseif step then
    local ends
    if co == step.co then
      ends = step.mode == "in" or getinfo(step.below + (step.mode == "next" and 3 or 2), "l") == nil
    elseif raw_status(step.co) == "normal" then -- it has resumed this one
      ends = step.mode == "in"
    else
      ends = step.chain[co]
    end
    if ends then
      return serve(debugger.ids[co], { reason = "step" })
    end
  end
end

function host.watch(co)
  if not busy then
    debugger.register(co)
    sethook(co, hook, "l")
  end
end

function debugger.begin_evaluation()
  if rawget(host, "LIMIT") then -- it is the state of a workflow
    internal.evaluating(true)
  end
end

function debugger.end_evaluation()
  if rawget(host, "LIMIT") then
    internal.evaluating(false)
  end
end

-- Errors -----------------------------------------------------------------------------------------------------

local is_raising = false -- an error that nothing catches is on its way

local function message_text(value)
  return debugger.printable(host.message_of(value))
end

local function stop_at_error(value, is_caught)
  local id = debugger.ids[running()]
  if busy or trip or not id or host.limit or not filters[is_caught and "raised" or "uncaught"] then
    return
  elseif not is_caught and type(value) == "table" and rawget(value, "kind") == "cancelled" then
    return -- the end of what was cancelled
  end
  local text = quietly(message_text, value) or "error"
  serve(id, { reason = "exception", text = text, description = is_caught and "Raised error" or "Uncaught error" })
end

local on_error = host.on_error

function host.on_error(value)
  stop_at_error(value, false)
  is_raising = true
  value = on_error(value)
  is_raising = false
  return value
end

-- Errors that the script catches. In a workflow's state `guards.lua` marks them.
local mark = host.mark
if mark then
  function host.mark(value, level)
    if not is_raising then
      stop_at_error(value, true)
    end
    return mark(value, level)
  end
else
  local function caught(value)
    stop_at_error(value, true)
    return value
  end

  function host.globals.pcall(...)
    if select("#", ...) == 0 then
      return pcall()
    end
    return xpcall((...), caught, select(2, ...))
  end

  function host.globals.xpcall(...)
    local fn, handler = ...
    if type(handler) ~= "function" then
      return xpcall(...)
    end
    return xpcall(fn, function(value)
      stop_at_error(value, true)
      return handler(value)
    end, select(3, ...))
  end

  host.names[host.globals.pcall], host.names[host.globals.xpcall] = "pcall", "xpcall"
end

-- Calls of Python: those of a method of `ctx` become the events of a history.
local call = host.call

function host.call(...)
  if not busy then
    call_count = call_count + 1 -- as `replay/trace.lua` does
    local text = calls[call_count]
    if text and trip and trip.record == "point" and ticks < trip.target then
      trip.found = ticks
    elseif text and not trip then
      serve(debugger.ids[running()], { reason = "event", text = text, description = text })
    end
  end
  return call(...)
end

-- Python's side ------------------------------------------------------------------------------------------------

local host_step, new_task = host.step, host.new_task

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

-- Stop while nothing runs: at the first thread that waits.
function host.stop_idle(reason, text)
  poll()
  local threads = debugger.threads()
  if threads[1] and not trip then
    serve(threads[1].id, { reason = reason, text = text, description = text })
  end
end

busy = false
