-- JSON encoding and decoding in plain Lua, for the `json` builtin, for Temporal's json/plain payloads, and for "wire",
-- the format in which tables are passed between Lua and Python, which never share a table.
--
-- Wire is JSON with one extension: a string that begins with NUL represents a value that JSON cannot. "\0r3" is the
-- third attachment (a byte string passed next to the text), "\0f7" the Lua function with id 7, "\0d…" a non-finite
-- float, "\0x…" bytes in hexadecimal.
--
-- `encode.lua` writes it, `decode.lua` reads it; this part has what both use.
local host = ...

local char, find = string.char, string.find
local utf8len = utf8.len
local collectgarbage, max = collectgarbage, math.max

host.MAX_DEPTH = 1000 -- of nesting

-- Sets of characters --------------------------------------------------------------------------------------

host.CONTROLS = { pattern = "[\0-\31]" } -- must not occur in JSON strings
host.SPECIALS = { pattern = '[\0-\31"\\\127]', '"', "\\", "\127" } -- must be escaped in JSON strings

-- Return the subset of `characters` that occurs in a text, or nil. In a long text, a plain search for each character is
-- fastest.
function host.present(characters, text)
  if #text < 200 then
    return find(text, characters.pattern) and characters
  end
  local found
  for code = -#characters, 31 do
    local c = code < 0 and characters[-code] or char(code)
    if find(text, c, 1, true) then
      found = found or { pattern = characters.pattern, is_part = true }
      found[#found + 1] = c
    end
  end
  return found
end

-- Return true if a string contains one of `characters`.
function host.contains(s, characters)
  if not characters.is_part or #characters > 4 then
    return find(s, characters.pattern) ~= nil
  end
  for i = 1, #characters do
    if find(s, characters[i], 1, true) then
      return true
    end
  end
  return false
end

function host.is_text(s)
  return utf8len(s) ~= nil
end

-- Garbage collection while a long text is read or written --------------------------------------------------

local GROWTH = 2.5 -- factor by which memory may grow after a collection cycle before the next one
local due = 8 * 1024 -- KiB in use above which the collector catches up

-- Stop the collector while almost nothing of what is allocated becomes garbage. Returns the argument for
-- `resume_collecting`, or nil if the collector is not running.
function host.stop_collecting()
  if collectgarbage("isrunning") then
    collectgarbage("stop")
    return collectgarbage("count")
  end
end

-- Restart the collector, and do the steps that it owes for allocations since `before` KiB were in use. Lua's "restart"
-- drops that debt, so that a script that only reads and writes long texts would never collect.
function host.resume_collecting(before)
  collectgarbage("restart")
  local now = collectgarbage("count")
  if now < due or collectgarbage("param", "stepmul") == 0 then -- 0: the next step is a whole cycle anyway
    return
  end
  local step = max(collectgarbage("param", "stepsize"), 1024)
  for _ = 1, (now - before) * 1024 // step do
    if collectgarbage("step") then
      due = max(collectgarbage("count") * GROWTH, 8 * 1024)
      return
    end
  end
end
