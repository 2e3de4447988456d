-- JSON text, both ways, in plain Lua. It is the `json` builtin, Temporal's json/plain payloads, and the
-- form ("wire") in which tables cross between Lua and Python: no table is ever touched from both sides.
--
-- The wire is JSON with one extension: a string that begins with NUL stands for something that JSON has
-- no word for. "\0r3" is the third of the plain byte strings that travel beside the text, "\0f7" the Lua
-- function with id 7, "\0d…" a float that is not finite, "\0x…" bytes in hexadecimal.
local host = ...

local concat, sort = table.concat, table.sort
local byte, char, find, format, gmatch, gsub, rep, sub =
  string.byte, string.char, string.find, string.format, string.gmatch, string.gsub, string.rep, string.sub
local mathtype, huge = math.type, math.huge
local utf8char, utf8len = utf8.char, utf8.len
local getmetatable, next, rawequal, rawget, rawlen, type = getmetatable, next, rawequal, rawget, rawlen, type

local MAX_DEPTH = 1000
local MAX_SIDES = 100 -- lupa's cost per argument grows with their number
local LONG_STRING = 4096

local null = setmetatable({}, {
  __name = "json.null",
  __tostring = function()
    return "null"
  end,
  __newindex = function()
    error("json.null is a constant", 2)
  end,
  __metatable = false,
})
local array_metatable = { __name = "json.array" }

host.null, host.array_metatable = null, array_metatable

-- Tables that are an empty array although their metatable is not the one of arrays.
local constant_arrays = setmetatable({}, { __mode = "k" })

function host.constant_array(t)
  constant_arrays[t] = true
end

-- Encoding -----------------------------------------------------------------------------------------

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
local function escape(c)
  return ESCAPES[c] or format("\\u%04x", byte(c))
end

local function quote(s)
  if find(s, '[\0-\31"\\\127]') then
    s = gsub(s, '[\0-\31"\\\127]', escape)
  end
  return '"' .. s .. '"'
end

local function is_text(s)
  return not find(s, "[\128-\255]") or utf8len(s) ~= nil
end

local function float_text(v)
  local text = format("%.15g", v)
  if tonumber(text) ~= v then
    text = format("%.16g", v)
    if tonumber(text) ~= v then
      text = format("%.17g", v)
    end
  end
  if not find(text, "[.e]") then
    text = text .. ".0"
  end
  return text
end

-- The length of `t` when its keys are exactly 1..n with n > 0, else nil.
local function sequence_length(t)
  local n = rawlen(t)
  if n == 0 then
    return nil
  end
  if next(t, n) == nil then
    -- The last border is also the last key of the traversal; in an array part that settles it.
    local count = 0
    for _ in next, t do
      count = count + 1
    end
    return count == n and n or nil
  end
  local count = 0
  for k in next, t do
    if mathtype(k) ~= "integer" or k < 1 or k > n then
      return nil
    end
    count = count + 1
  end
  return count == n and n or nil
end

-- The length of a table marked as an array, whose holes are nulls; nil when it has other keys or mostly holes.
local function array_length(t)
  local count, last = 0, 0
  for k in next, t do
    if mathtype(k) ~= "integer" or k < 1 then
      return nil
    end
    count = count + 1
    last = k > last and k or last
  end
  return last <= 4 * count + 16 and last or nil
end

-- Where in the value an error is: ".a.b[3]", or "the value" for its root.
local function path_text(path, depth)
  local out = {}
  for i = 1, depth do
    local key = path[i]
    if mathtype(key) == "integer" then
      out[i] = "[" .. key .. "]"
    else
      out[i] = "." .. tostring(key)
    end
  end
  return depth == 0 and "the value" or concat(out)
end

-- mode: "json" (nothing but JSON), "wire" (JSON and side strings), "call" (also functions).
-- Returns the text and the array of side strings (nil in "json" mode), or nil and a message.
local function encode(value, mode, pretty)
  local out, n = {}, 0
  local path, active = {}, {}
  local sides = mode ~= "json" and {} or nil

  local function fail(depth, what)
    error({ [null] = what .. " at " .. path_text(path, depth) }, 0)
  end

  local function emit(v, depth)
    local kind = type(v)
    if kind == "string" then
      if sides then
        if #v > LONG_STRING or byte(v) == 0 or not is_text(v) then
          if #sides < MAX_SIDES then
            sides[#sides + 1] = v
            v = "\0r" .. #sides
          elseif byte(v) == 0 or not is_text(v) then
            v = "\0x" .. gsub(v, ".", function(c)
              return format("%02x", byte(c))
            end)
          end
        end
      elseif not is_text(v) then
        fail(depth, "a string that is not UTF-8 text")
      end
      n = n + 1
      out[n] = quote(v)
    elseif kind == "number" then
      n = n + 1
      if mathtype(v) == "integer" then
        out[n] = format("%d", v)
      elseif v ~= v or v == huge or v == -huge then
        if not sides then
          fail(depth, v ~= v and "NaN" or "an infinite number")
        end
        out[n] = '"\\u0000d' .. (v ~= v and "nan" or v > 0 and "inf" or "-inf") .. '"'
      else
        out[n] = float_text(v)
      end
    elseif kind == "boolean" then
      n = n + 1
      out[n] = v and "true" or "false"
    elseif rawequal(v, null) or v == nil then
      n = n + 1
      out[n] = "null"
    elseif kind == "table" then
      if host.is_handle(v) then
        fail(depth, host.describe(v))
      end
      if active[v] then
        fail(depth, "a table that contains itself")
      end
      if depth >= MAX_DEPTH then
        fail(8, "more than " .. MAX_DEPTH .. " levels")
      end
      active[v] = true
      local inner = depth + 1
      local newline = pretty and "\n" .. rep("  ", inner)
      local length = sequence_length(v)
      if not length and (getmetatable(v) == array_metatable or constant_arrays[v]) then
        length = array_length(v)
      end
      if length then
        n = n + 1
        out[n] = "["
        for i = 1, length do
          path[inner] = i
          if i > 1 then
            n = n + 1
            out[n] = ","
          end
          if newline then
            n = n + 1
            out[n] = newline
          end
          emit(rawget(v, i), inner)
        end
        n = n + 1
        out[n] = newline and length > 0 and "\n" .. rep("  ", depth) .. "]" or "]"
      else
        local keys, count, renamed = {}, 0, nil
        for k in next, v do
          local name = k
          if type(k) ~= "string" then
            path[inner] = k
            if mathtype(k) ~= "integer" then
              fail(depth, "a table with a key of type " .. type(k))
            end
            renamed = renamed or {}
            name = format("%d", k)
            if rawget(v, name) ~= nil then
              fail(depth, "a table with both the key " .. name .. ' and the key "' .. name .. '"')
            end
            renamed[name] = k
          end
          count = count + 1
          keys[count] = name
        end
        sort(keys)
        n = n + 1
        out[n] = "{"
        for i = 1, count do
          local k = keys[i]
          path[inner] = k
          if not is_text(k) then
            fail(depth, "a key that is not UTF-8 text")
          end
          n = n + 1
          out[n] = (i > 1 and "," or "") .. (newline or "") .. quote(k) .. (newline and ": " or ":")
          local item = rawget(v, k)
          if item == nil then
            item = rawget(v, renamed[k])
          end
          emit(item, inner)
        end
        n = n + 1
        out[n] = newline and count > 0 and "\n" .. rep("  ", depth) .. "}" or "}"
      end
      active[v] = nil
    elseif kind == "function" and mode == "call" then
      n = n + 1
      out[n] = '"\\u0000f' .. host.hold(v) .. '"'
    else
      fail(depth, "a " .. kind)
    end
  end

  local ok, problem = pcall(emit, value, 0)
  if ok then
    return concat(out), sides
  end
  return nil, type(problem) == "table" and problem[null] or tostring(problem)
end

-- Decoding -----------------------------------------------------------------------------------------

local UNESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

local function resolve(s, sides)
  local tag, rest = sub(s, 2, 2), sub(s, 3)
  if tag == "r" then
    return sides[tonumber(rest)]
  elseif tag == "d" then
    return rest == "nan" and 0.0 / 0.0 or rest == "inf" and huge or -huge
  elseif tag == "x" then
    return (gsub(rest, "%x%x", function(pair)
      return char(tonumber(pair, 16))
    end))
  end
  error("unknown wire form " .. tag)
end

-- Returns the value, or nil and a message. `sides` makes it read the wire form.
local function decode(text, sides)
  local function fail(pos, what)
    local line, last = 1, 0
    for newline in gmatch(sub(text, 1, pos - 1), "()\n") do
      line, last = line + 1, newline
    end
    error({ [null] = format("%s at line %d column %d", what, line, pos - last) }, 0)
  end

  local function unexpected(pos)
    local c = sub(text, pos, pos)
    fail(pos, c == "" and "unexpected end" or "unexpected '" .. c .. "'")
  end

  local function unicode(pos)
    local hex = sub(text, pos, pos + 3)
    if not find(hex, "^%x%x%x%x$") then
      fail(pos, "bad \\u escape")
    end
    return tonumber(hex, 16)
  end

  -- `pos` stands behind the opening quote; returns the string and the position behind the closing one.
  local function read_string(pos, is_key)
    local stop = find(text, '[\0-\31"\\]', pos)
    if stop and byte(text, stop) == 34 then
      return sub(text, pos, stop - 1), stop + 1
    end
    local parts, n = {}, 0
    while true do
      if not stop then
        fail(#text + 1, "unexpected end in a string")
      end
      n = n + 1
      parts[n] = sub(text, pos, stop - 1)
      local c = byte(text, stop)
      if c == 34 then
        local s = concat(parts)
        if sides and byte(s) == 0 and not is_key then
          return resolve(s, sides), stop + 1
        end
        return s, stop + 1
      elseif c ~= 92 then
        fail(stop, "control character in a string")
      end
      local e = sub(text, stop + 1, stop + 1)
      if e == "u" then
        local code = unicode(stop + 2)
        pos = stop + 6
        if code >= 0xD800 and code <= 0xDBFF and sub(text, pos, pos + 1) == "\\u" then
          local low = unicode(pos + 2)
          if low >= 0xDC00 and low <= 0xDFFF then
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            pos = pos + 6
          end
        end
        if code >= 0xD800 and code <= 0xDFFF then
          fail(stop, "half of a surrogate pair")
        end
        n = n + 1
        parts[n] = utf8char(code)
      else
        n = n + 1
        parts[n] = UNESCAPES[e] or fail(stop, "bad escape")
        pos = stop + 2
      end
      stop = find(text, '[\0-\31"\\]', pos)
    end
  end

  local read_value

  local function read_array(pos, depth)
    local items, n = setmetatable({}, array_metatable), 0
    pos = find(text, "[^ \n\r\t]", pos) or #text + 1
    if byte(text, pos) == 93 then
      return items, pos + 1
    end
    while true do
      n = n + 1
      items[n], pos = read_value(pos, depth)
      local c = byte(text, pos)
      if c ~= 44 and c ~= 93 then
        pos = find(text, "[^ \n\r\t]", pos) or #text + 1
        c = byte(text, pos)
      end
      if c == 93 then
        return items, pos + 1
      elseif c ~= 44 then
        unexpected(pos)
      end
      pos = pos + 1
    end
  end

  local function read_object(pos, depth)
    local object = {}
    pos = find(text, "[^ \n\r\t]", pos) or #text + 1
    if byte(text, pos) == 125 then
      return object, pos + 1
    end
    while true do
      if byte(text, pos) ~= 34 then
        pos = find(text, "[^ \n\r\t]", pos) or #text + 1
        if byte(text, pos) ~= 34 then
          unexpected(pos)
        end
      end
      local key, value
      key, pos = read_string(pos + 1, true)
      if byte(text, pos) ~= 58 then
        pos = find(text, "[^ \n\r\t]", pos) or #text + 1
        if byte(text, pos) ~= 58 then
          unexpected(pos)
        end
      end
      value, pos = read_value(pos + 1, depth)
      if value ~= null then
        object[key] = value
      else
        object[key] = nil
      end
      local c = byte(text, pos)
      if c ~= 44 and c ~= 125 then
        pos = find(text, "[^ \n\r\t]", pos) or #text + 1
        c = byte(text, pos)
      end
      if c == 125 then
        return object, pos + 1
      elseif c ~= 44 then
        unexpected(pos)
      end
      pos = pos + 1
    end
  end

  function read_value(pos, depth)
    local c = byte(text, pos)
    if c == 32 or c == 10 or c == 13 or c == 9 then
      pos = find(text, "[^ \n\r\t]", pos) or #text + 1
      c = byte(text, pos)
    end
    if c == 34 then
      return read_string(pos + 1)
    elseif c == 123 or c == 91 then
      if depth >= MAX_DEPTH then
        fail(pos, "more than " .. MAX_DEPTH .. " levels")
      end
      if c == 123 then
        return read_object(pos + 1, depth + 1)
      end
      return read_array(pos + 1, depth + 1)
    elseif c == 116 and sub(text, pos, pos + 3) == "true" then
      return true, pos + 4
    elseif c == 102 and sub(text, pos, pos + 4) == "false" then
      return false, pos + 5
    elseif c == 110 and sub(text, pos, pos + 3) == "null" then
      return null, pos + 4
    end
    local _, stop = find(text, "^-?%d+", pos)
    if not stop or find(text, "^-?0%d", pos) then
      unexpected(stop and find(text, "0", pos) + 1 or pos)
    end
    local _, fraction = find(text, "^%.%d+", stop + 1)
    stop = fraction or stop
    local _, exponent = find(text, "^[eE][+-]?%d+", stop + 1)
    stop = exponent or stop
    local number = tonumber(sub(text, pos, stop))
    if number == huge or number == -huge then
      fail(pos, "a number out of range")
    end
    return number, stop + 1
  end

  local ok, value = pcall(function()
    if not is_text(text) then
      fail(1, "text that is not UTF-8")
    end
    local result, pos = read_value(1, 0)
    pos = find(text, "[^ \n\r\t]", pos)
    if pos then
      unexpected(pos)
    end
    return result
  end)
  if ok then
    return value
  end
  return nil, type(value) == "table" and value[null] or tostring(value)
end

host.encode, host.decode, host.is_text = encode, decode, is_text

-- A value on its own, as JSON; a string that JSON cannot carry is "=" and its bytes.
function host.encode_value(value)
  if type(value) == "string" and not is_text(value) then
    return "=" .. value
  end
  return encode(value, "json")
end

function host.decode_value(text)
  if byte(text) == 61 then
    return sub(text, 2)
  end
  return decode(text)
end
