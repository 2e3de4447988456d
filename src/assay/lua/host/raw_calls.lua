-- Calls of original Lua functions by their replacements. Errors get the position and the name with which the script
-- called the replacement, as if it had called the original.
local host = ...

local getinfo = debug.getinfo
local running = coroutine.running
local find, format, gsub, match = string.find, string.format, string.gsub, string.match
local next, raw_xpcall, setmetatable, tonumber, type = next, xpcall, setmetatable, tonumber, type

-- Messages to which Lua adds no position when C code raises them.
local UNPOSITIONED = { "^attempt to ", "^'__", "^invalid key to 'next'", "^table index is " }

-- Return the full name of an original function, as Lua finds it in `package.loaded`, and the name without the library.
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

-- Return the position of the frame `level` (counted from the caller), in the form of Lua's messages. After a tail call,
-- which replaces the caller's frame, it is that of the next frame with a line.
local function position_at(level, is_tail_call)
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

-- Return the position where the script called the function that calls this.
function host.position()
  return position_at(2, false)
end

-- Rewrite the message `text` of `raw`. Called by the message handler of `host.call_raw`.
local function rewrite(raw, text)
  for _, pattern in next, UNPOSITIONED do
    if find(text, pattern) then
      return text
    end
  end
  local level = 4 -- that of `host.call_raw`
  while host.is_private(getinfo(level + 1, "S") or { source = "" }) do
    level = level + 1
  end
  local call = getinfo(level, "nt") -- how the script called the replacement
  local number, rest = match(text, "^bad argument #(%d+) to '.-' (%(.*)$")
  if number then
    local full_name, short_name = name_of(raw)
    local name = call.name or call.istailcall and short_name or full_name
    local extra, kind = call.extraargs, "argument" -- arguments added by `__call` metamethods
    number = tonumber(number)
    if number <= extra then
      kind = "extra argument"
    else
      number = number - extra - (call.namewhat == "method" and 1 or 0)
    end
    text = number == 0 and format("calling '%s' on bad self %s", name, rest)
      or format("bad %s #%d to '%s' %s", kind, number, name, rest)
  end
  return position_at(level + 1, call.istailcall) .. text
end

local function finish(raw, ok, ...)
  if ok then
    return ...
  elseif host.check_memory then
    local check = raw == gsub and host.check_limit or host.check_memory -- gsub may call a function of the script
    check((...))
  end
  error((...), 0)
end

-- Message handlers by original function. They rewrite only errors that the function itself raises, not those of
-- functions of the script that it calls.
local handlers = setmetatable({}, {
  __index = function(handlers, raw)
    handlers[raw] = function(err)
      local raiser = getinfo(2, "f")
      if type(err) == "string" and raiser and raiser.func == raw then
        return rewrite(raw, err)
      elseif host.mark then
        return host.mark(err)
      end
      return err
    end
    return handlers[raw]
  end,
})

-- Call the original function `raw` for a script.
function host.call_raw(raw, ...)
  return finish(raw, raw_xpcall(raw, handlers[raw], ...))
end
