-- Decodes JSON and wire. `object_readers.lua` speeds up long texts.
local host = ...

local create = table.create
local byte, char, find, gsub, match, sub = string.byte, string.char, string.find, string.gsub, string.match, string.sub
local utf8char, utf8len, huge = utf8.char, utf8.len, math.huge
local error, pcall, rawequal = error, pcall, rawequal
local setmetatable, tonumber, tostring, type = setmetatable, tonumber, tostring, type

local MAX_DEPTH, CONTROLS = host.MAX_DEPTH, host.CONTROLS
local contains, present = host.contains, host.present
local resume_collecting, stop_collecting = host.resume_collecting, host.stop_collecting
local null, array_metatable = host.null, host.array_metatable

local BAD_ESCAPE = "\xFF" -- does not occur in UTF-8
local UNESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }
setmetatable(UNESCAPES, {
  __index = function()
    return BAD_ESCAPE
  end,
})

-- Return the replacement of an escape and the hexadecimal digits that follow it.
local function unescape(c, digits)
  if c ~= "u" then
    return UNESCAPES[c] .. digits
  end
  return #digits == 4 and utf8char(tonumber(digits, 16)) or BAD_ESCAPE
end

-- Return the character of a surrogate pair, given the second and third byte of each half.
local function join_surrogates(a, b, c, d)
  local high = (byte(a) & 0x0F) << 6 | byte(b) & 0x3F
  return utf8char(0x10000 + (high << 10 | (byte(c) & 0x0F) << 6 | byte(d) & 0x3F))
end

local function resolve(s, attachments)
  local tag, rest = sub(s, 2, 2), sub(s, 3)
  if tag == "r" then
    return attachments[tonumber(rest)]
  elseif tag == "d" then
    return rest == "nan" and 0.0 / 0.0 or rest == "inf" and huge or -huge
  elseif tag == "x" then
    return (gsub(rest, "%x%x", function(pair)
      return char(tonumber(pair, 16))
    end))
  end
  error("unknown wire form " .. tag)
end

local MAX_KEYS = 32 -- keys of an object that are compared with those of the previous one
local SHORT = 2000 -- length up to which keys are not cached
local LONG = 32000 -- length from which readers are generated (`object_readers.lua`)
local MIN_MISSES = 8 -- objects under a key after which a reader is generated from one
local MAX_GENERATED_DEPTH = MAX_DEPTH - 10
local MALFORMED = {} -- error of a generated reader that found invalid JSON
local UNKNOWN = { count = 0 }
local ENDS_NUMBER = { [44] = true, [93] = true, [125] = true, [32] = true, [10] = true, [13] = true, [9] = true }

-- State of the current call. Nothing here calls a script, so calls do not overlap.
local text, attachments
local controls -- control characters that occur in the text, which must not be in strings; or nil
local backslash -- position of the first backslash at or after the current string
-- The previous object under each key, which the next one probably resembles: alternately the text before each value,
-- and its key. Nil for a short text.
local previous
local generated -- state of `object_readers.lua`; nil if the text is not long

local function fail(pos, what)
  host.fail_decode(text, pos, what)
end

local function unexpected(pos)
  host.fail_unexpected(text, pos)
end

-- Raise the error of a malformed string. `pos` is the position after its opening quote.
local function bad_string(pos)
  host.fail_string(text, pos)
end

-- Read a string that has escapes or is malformed. `pos` is the position after its opening quote.
local function read_escaped(pos, is_key)
  local stop = pos
  repeat
    stop = find(text, '"', stop, true)
    if not stop then
      bad_string(pos)
    end
    local escapes = stop - 1
    while byte(text, escapes) == 92 do
      escapes = escapes - 1
    end
    stop = stop + 1
  until (stop - escapes) & 1 == 0
  local s = sub(text, pos, stop - 2)
  if controls and find(s, "[\0-\31]") then
    bad_string(pos)
  elseif find(s, "\\u", 1, true) then
    s = gsub(s, "\\(.)(%x?%x?%x?%x?)", unescape)
    if find(s, "\xED[\xA0-\xBF]") then
      s = gsub(s, "\xED([\xA0-\xAF])(.)\xED([\xB0-\xBF])(.)", join_surrogates)
      if find(s, "\xED[\xA0-\xBF]") then
        bad_string(pos) -- an unpaired surrogate
      end
    end
  else
    s = gsub(s, "\\(.)", UNESCAPES)
  end
  if find(s, BAD_ESCAPE, 1, true) then
    bad_string(pos)
  elseif attachments and byte(s) == 0 and not is_key then
    return resolve(s, attachments), stop
  end
  return s, stop
end

local function read_string(pos, is_key)
  local stop = find(text, '"', pos, true)
  if backslash < pos then
    backslash = find(text, "\\", pos, true) or huge
  end
  if not stop or backslash < stop then
    return read_escaped(pos, is_key)
  end
  local s = sub(text, pos, stop - 1)
  if controls and contains(s, controls) then
    bad_string(pos)
  end
  return s, stop + 1
end

local function read_any_number(pos)
  local digits, stop = match(text, "^(-?%d+%.?%d*)()", pos)
  if not digits then
    unexpected(pos)
  elseif find(digits, "^-?0%d") then
    unexpected(find(text, "0", pos, true) + 1)
  elseif byte(digits, -1) == 46 then
    unexpected(stop - 1)
  end
  local c = byte(text, stop)
  if c == 101 or c == 69 then -- e E
    local exponent, behind = match(text, "^([eE][+-]?%d+)()", stop)
    if exponent then
      digits, stop = digits .. exponent, behind
    end
  end
  local number = tonumber(digits)
  if number == huge or number == -huge then
    fail(pos, "a number out of range")
  end
  return number, stop
end

-- Read a number. Most are short integers, which are read without creating a string.
local function read_number(pos)
  local a, b, c, d, e, f, g = byte(text, pos, pos + 6)
  if not g or a < 49 or a > 57 then
    if a == 48 and ENDS_NUMBER[b] then
      return 0, pos + 1
    end
    return read_any_number(pos)
  elseif ENDS_NUMBER[b] then
    return a - 48, pos + 1
  elseif b >= 48 and b <= 57 then
    if ENDS_NUMBER[c] then
      return a * 10 + b - 528, pos + 2
    elseif c >= 48 and c <= 57 then
      if ENDS_NUMBER[d] then
        return a * 100 + b * 10 + c - 5328, pos + 3
      elseif d >= 48 and d <= 57 then
        if ENDS_NUMBER[e] then
          return a * 1000 + b * 100 + c * 10 + d - 53328, pos + 4
        elseif e >= 48 and e <= 57 then
          if ENDS_NUMBER[f] then
            return a * 10000 + b * 1000 + c * 100 + d * 10 + e - 533328, pos + 5
          elseif f >= 48 and f <= 57 and ENDS_NUMBER[g] then
            return a * 100000 + b * 10000 + c * 1000 + d * 100 + e * 10 + f - 5333328, pos + 6
          end
        end
      end
    end
  end
  return read_any_number(pos)
end

local read_value

-- Return the first position from `pos` that is not white space, and its byte.
local function skip(pos)
  pos = find(text, "[^ \n\r\t]", pos) or #text + 1
  return pos, byte(text, pos)
end

local function read_array(pos, depth, name)
  local items, n = setmetatable({}, array_metatable), 0
  local start, c = skip(pos)
  if c == 93 then
    return items, start + 1
  end
  while true do
    local value
    value, pos = read_value(pos, depth, name)
    n = n + 1
    items[n] = value == nil and null or value
    c = byte(text, pos)
    if c ~= 44 and c ~= 93 then
      pos, c = skip(pos)
    end
    if c == 93 then
      return items, pos + 1
    elseif c ~= 44 then
      unexpected(pos)
    end
    pos = pos + 1
    if generated and n & 63 == 4 then
      n, pos = host.read_run(generated, text, pos, items, n)
    end
  end
end

-- Read the keys and values of an object from the position after its opening brace, or after its first `n` values.
-- Return the position after the object.
local function read_members(object, pos, depth, known, n)
  while true do
    local c
    if n > 0 then
      c = byte(text, pos)
      if c ~= 44 and c ~= 125 then
        pos, c = skip(pos)
      end
      if c == 125 then
        if previous then
          known.count = n
        end
        return pos + 1
      elseif c ~= 44 then
        unexpected(pos)
      end
      pos = pos + 1
    end
    local before, key = known[2 * n + 1], nil
    if before and sub(text, pos, pos + #before - 1) == before then
      key, pos = known[2 * n + 2], pos + #before
    else
      local start = pos
      pos, c = skip(pos)
      if c ~= 34 then
        unexpected(pos)
      end
      key, pos = read_string(pos + 1, true)
      if byte(text, pos) ~= 58 then
        pos, c = skip(pos)
        if c ~= 58 then
          unexpected(pos)
        end
      end
      pos = pos + 1
      if previous and n < MAX_KEYS then
        known[2 * n + 1], known[2 * n + 2] = sub(text, start, pos - 1), key
      end
    end
    -- An object with many keys is probably a map, whose values resemble each other.
    object[key], pos = read_value(pos, depth, n < MAX_KEYS and key or "*")
    n = n + 1
  end
end

-- Count an object that no reader could read completely, and from time to time generate a reader from one.
local function count_miss(known, pos, stop)
  local count = known.misses + 1
  known.misses = count
  if count >= MIN_MISSES and count & (count - 1) == 0 then
    host.add_object_reader(generated, known, text, pos, stop)
  end
end

local function read_object(pos, depth, name)
  local known = previous and previous[name] or UNKNOWN
  if previous and known == UNKNOWN then
    known = { count = 0, misses = 0 }
    previous[name] = known
  end
  local object, stop, n
  local readers = known.readers
  for i = 1, readers and depth < MAX_GENERATED_DEPTH and #readers or 0 do
    local here = backslash
    object, stop, n = readers[i](text, pos - 1, depth)
    if n then
      backslash = here -- a part is read again
    end
    if object then
      break
    end
  end
  if object and not n then
    return object, stop
  elseif object then
    stop = read_members(object, stop, depth, known, n)
  else
    object = create(0, known.count)
    if byte(text, pos) ~= 34 then
      local start, c = skip(pos)
      if c == 125 then
        return object, start + 1
      end
    end
    stop = read_members(object, pos, depth, known, 0)
  end
  if generated then
    count_miss(known, pos - 1, stop)
  end
  return object, stop
end

host.MALFORMED = MALFORMED

-- Read a value; returns it (nil for null) and the position after it. `name` is the last key of its path.
function read_value(pos, depth, name)
  local c = byte(text, pos)
  if c == 32 then
    pos = pos + 1
    c = byte(text, pos)
  end
  if c == 32 or c == 10 or c == 13 or c == 9 then
    pos, c = skip(pos)
  end
  if c == 34 then
    return read_string(pos + 1)
  elseif c == 123 or c == 91 then
    if depth >= MAX_DEPTH then
      fail(pos, "more than " .. MAX_DEPTH .. " levels")
    end
    if c == 91 then
      return read_array(pos + 1, depth + 1, name)
    end
    return read_object(pos + 1, depth + 1, name)
  elseif c == 116 and sub(text, pos, pos + 3) == "true" then
    return true, pos + 4
  elseif c == 102 and sub(text, pos, pos + 4) == "false" then
    return false, pos + 5
  elseif c == 110 and sub(text, pos, pos + 3) == "null" then
    return nil, pos + 4
  end
  return read_number(pos)
end

host.read_value = read_value

local function decode_root()
  local length, invalid = utf8len(text)
  if not length then
    fail(invalid, "invalid UTF-8")
  end
  local result, pos = read_value(1, 0, "")
  pos = find(text, "[^ \n\r\t]", pos)
  if pos then
    unexpected(pos)
  end
  return result == nil and null or result
end

-- Decode a long text. Almost nothing of what is allocated becomes garbage, so the collector is stopped meanwhile.
local function decode_long()
  local plain = controls and '[^"\\\0-\31]*' or backslash < huge and '[^"\\]*' or '[^"]*'
  generated = host.new_object_readers(plain)
  local collecting = stop_collecting()
  local ok, value = pcall(decode_root)
  if collecting then
    resume_collecting(collecting)
  end
  generated = nil
  if not ok and rawequal(value, MALFORMED) then
    previous, backslash = {}, 0
    return pcall(decode_root) -- raises an error with the position
  end
  return ok, value
end

-- Decode a text; returns the value, or nil and a message. `given` are the attachments of wire.
function host.decode(source, given)
  text, attachments, previous = source, given, #source > SHORT and {} or nil
  controls = present(CONTROLS, text)
  backslash = find(text, "\\", 1, true) or huge
  local ok, value
  if #source > LONG then
    ok, value = decode_long()
  else
    ok, value = pcall(decode_root)
  end
  text, attachments, previous = nil, nil, nil
  if host.has_decoded and #source > LONG then
    host.has_decoded(source)
  end
  if ok then
    return value
  elseif host.check_memory then
    host.check_memory(value)
  end
  return nil, type(value) == "table" and value[null] or tostring(value)
end

-- Decode a result of `host.encode_value`.
function host.decode_value(source)
  if byte(source) == 61 then
    return sub(source, 2)
  end
  return host.decode(source)
end
