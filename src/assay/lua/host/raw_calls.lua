-- Errors of Lua's own functions that a script has called through one of ours: raised with the script's line and the name
-- by which it was called, as if nothing were in between.
local host = ...

local getinfo = debug.getinfo
local running = coroutine.running
local find, format, gsub, match = string.find, string.format, string.gsub, string.match
local next, raw_xpcall, setmetatable, tonumber, type = next, xpcall, setmetatable, tonumber, type

local UNPLACED = { "^attempt to ", "^'__", "^invalid key to 'next'", "^table index is " } -- Lua gives no line when C code meets these

-- The name of one of Lua's own functions as Lua finds it in `package.loaded`, and the last part of it.
local function name_of(raw)
  for library, value in next, _ENV do
    if value == raw then
      return library, library
    elseif type(value) == "table" then
      for name, item in next, value do
        if item == raw then
          return library .. "." .. name, name
        end
      end
    end
  end
  return "?", "?"
end

-- Where the frame `level` (of whoever calls this) is, as Lua puts it before a message. A tail call has taken the frame
-- of the function that made it: then the next one that has a line.
local function place(level, is_tail_call)
  level = level + 1
  local info = getinfo(level, "Sl")
  while info and (host.is_private(info) or is_tail_call and info.what == "C") do
    level = level + 1
    info = getinfo(level, "Sl")
  end
  if not info and is_tail_call then
    local file, line = host.beginning((running()))
    return file and format("%s:%d: ", file, line) or ""
  end
  return info and info.currentline > 0 and format("%s:%d: ", info.short_src, info.currentline) or ""
end

-- Where the script called the function of ours that calls this.
function host.position()
  return place(2, false)
end

-- The message `text` of `raw`, called by `host.call_raw`; this is the message handler.
local function described(raw, text)
  for _, pattern in next, UNPLACED do
    if find(text, pattern) then
      return text
    end
  end
  local level = 4 -- that of `host.call_raw`
  while host.is_private(getinfo(level + 1, "S") or { source = "" }) do
    level = level + 1
  end
  local call = getinfo(level, "nt") -- how the script called us
  local number, rest = match(text, "^bad argument #(%d+) to '.-' (%(.*)$")
  if number then
    local full_name, short_name = name_of(raw)
    local name = call.name or call.istailcall and short_name or full_name
    local extra, kind = call.extraargs, "argument" -- those that `__call` has put before the script's
    number = tonumber(number)
    if number <= extra then
      kind = "extra argument"
    else
      number = number - extra - (call.namewhat == "method" and 1 or 0)
    end
    text = number == 0 and format("calling '%s' on bad self %s", name, rest)
      or format("bad %s #%d to '%s' %s", kind, number, name, rest)
  end
  return place(level + 1, call.istailcall) .. text
end

local function finish(raw, ok, ...)
  if ok then
    return ...
  elseif host.check_memory then
    local check = raw == gsub and host.check_limit or host.check_memory -- a replacement may be a script's function
    check((...))
  end
  error((...), 0)
end

-- The message handlers of Lua's own functions: an error that one of them raises itself counts, not that of a function of
-- the script that it has called.
local handlers = setmetatable({}, {
  __index = function(handlers, raw)
    handlers[raw] = function(err)
      local raiser = getinfo(2, "f")
      if type(err) == "string" and raiser and raiser.func == raw then
        return described(raw, err)
      elseif host.mark then
        return host.mark(err)
      end
      return err
    end
    return handlers[raw]
  end,
})

-- Call `raw`, one of Lua's own functions, for a script.
function host.call_raw(raw, ...)
  return finish(raw, raw_xpcall(raw, handlers[raw], ...))
end
