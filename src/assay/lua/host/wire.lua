-- JSON text, both ways, in plain Lua. It is the `json` builtin, Temporal's json/plain payloads, and the
-- form ("wire") in which tables cross between Lua and Python: no table is ever touched from both sides.
--
-- The wire is JSON with one extension: a string that begins with NUL represents something that JSON has
-- no word for. "\0r3" is the third of the plain byte strings that travel beside the text, "\0f7" the Lua
-- function with id 7, "\0d…" a float that is not finite, "\0x…" bytes in hexadecimal.
--
-- `encode.lua` writes it and `decode.lua` reads it; here is what both know.
local host = ...

local char, find = string.char, string.find
local utf8len = utf8.len
local collectgarbage, max = collectgarbage, math.max

host.MAX_DEPTH = 1000 -- of nesting

-- Characters and how to find one of them -----------------------------------------------------------------

host.CONTROLS = { pattern = "[\0-\31]" } -- what may not be in a string of JSON
host.SPECIALS = { pattern = '[\0-\31"\\\127]', '"', "\\", "\127" } -- what has to be escaped there

-- Which of some characters are in a text, or nil. In a long one, a plain search for each is the fastest.
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

-- Collecting while a long text is read or written ---------------------------------------------------------

local GROWTH = 2.5 -- of what is left after a cycle of the collector, until the next one is worth its time
local due = 8 * 1024 -- KiB in use from which the collector catches up

-- Stop the collector: next to nothing of what is made from now on is garbage. Returns what `go_on_collecting` is given;
-- nil if it does not run.
function host.stop_collecting()
  if collectgarbage("isrunning") then
    collectgarbage("stop")
    return collectgarbage("count")
  end
end

-- Let the collector continue, with the work for what was made since there were `before` KiB in use: Lua's own "restart"
-- forgets it, so that a script that does little but read and write long texts would never get rid of any.
function host.go_on_collecting(before)
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
