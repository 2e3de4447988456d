-- Stops at errors: those that nothing catches, and those that the script catches.
local host = ...

local debugger = host.debugger

local running = coroutine.running
local pcall, rawget, select, type, xpcall = pcall, rawget, select, type, xpcall

local is_raising = false -- an uncaught error is being raised

local function message_text(value)
  return debugger.printable(host.message_of(value))
end

local function stop_at_error(value, is_caught)
  local id = debugger.ids[running()]
  if not id or host.limit or not debugger.stops_at(is_caught and "raised" or "uncaught") then
    return
  elseif not is_caught and type(value) == "table" and rawget(value, "kind") == "cancelled" then
    return -- the end of a cancelled task
  end
  local text = debugger.quietly(message_text, value) or "error"
  local description = is_caught and "Raised error" or "Uncaught error"
  debugger.stop(id, { reason = "exception", text = text, description = description })
end

local on_error = host.on_error

function host.on_error(value)
  stop_at_error(value, false)
  is_raising = true
  value = on_error(value)
  is_raising = false
  return value
end

-- In a workflow's state `guards.lua` calls `host.mark` with each caught error.
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
