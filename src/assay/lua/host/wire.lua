-- JSON text, both ways, in plain Lua. It is the `json` builtin, Temporal's json/plain payloads, and the
-- form ("wire") in which tables cross between Lua and Python: no table is ever touched from both sides.
--
-- The wire is JSON with one extension: a string that begins with NUL stands for something that JSON has
-- no word for. "\0r3" is the third of the plain byte strings that travel beside the text, "\0f7" the Lua
-- function with id 7, "\0d…" a float that is not finite, "\0x…" bytes in hexadecimal.
--
-- `encode.lua` writes it and `decode.lua` reads it; here is what both know.
local host = ...

local char, find = string.char, string.find
local utf8len = utf8.len

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
