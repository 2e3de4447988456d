-- Encodes JSON and wire. `object_writers.lua` speeds up large values.
local host = ...

local concat, sort = table.concat, table.sort
local byte, find, format, gsub = string.byte, string.find, string.format, string.gsub
local mathtype, huge = math.type, math.huge
local getmetatable, next, rawequal, rawget, rawlen, type = getmetatable, next, rawequal, rawget, rawlen, type
local pcall, setmetatable = pcall, setmetatable
local tonumber, tostring = tonumber, tostring

local MAX_DEPTH, SPECIALS = host.MAX_DEPTH, host.SPECIALS
local contains, is_text, present = host.contains, host.is_text, host.present
local resume_collecting, stop_collecting = host.resume_collecting, host.stop_collecting
local null, array_metatable, constant_arrays = host.null, host.array_metatable, host.constant_arrays

local MAX_ATTACHMENTS = 100 -- lupa's cost per argument grows with their number
local LONG_STRING = 4096
local LONG_ARRAY = 32 -- length from which `write_run` is tried

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
setmetatable(ESCAPES, {
  __index = function(_, c)
    return format("\\u%04x", byte(c))
  end,
})

local function escaped(s)
  return (gsub(s, SPECIALS.pattern, ESCAPES))
end

-- Quote a string as JSON. `format` does this except for control characters.
function host.quoted(s)
  local text = format("%q", s)
  if find(text, "\\", 1, true) and find(s, "%c") then
    text = '"' .. escaped(s) .. '"'
  end
  return text
end

local quoted = host.quoted

function host.float_text(v)
  local text = tostring(v) -- with 15 digits if they suffice, else with 17
  if #text > 17 then
    local shorter = format("%.16g", v)
    if #shorter < #text and find(shorter, "[.e]") and tonumber(shorter) == v then
      text = shorter
    end
  end
  return text
end

local float_text = host.float_text

-- Return the length of `t` if its keys are exactly 1..n with n > 0, else nil.
function host.sequence_length(t)
  local count = 0
  for k in next, t do
    count = count + 1
    if k ~= count then
      -- The keys may be complete but out of order.
      local n = mathtype(k) == "integer" and rawlen(t) or 0
      count = 0
      for key in next, t do
        if mathtype(key) ~= "integer" or key < 1 or key > n then
          return nil
        end
        count = count + 1
      end
      return count == n and n or nil
    end
  end
  return count > 0 and count or nil
end

local sequence_length = host.sequence_length

-- Return the length of a table marked as an array, whose holes are nulls; nil if it has other keys or mostly holes.
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

-- State of the current call. Nothing here calls a script, so calls do not overlap.
local out -- pieces of the text
local strings, places -- strings, and the index of each in `out`: they are checked all at once at the end
local path, open -- the key and the table of each level
local foreign -- true if a table may have a metatable of the script
local root, mode, attachments

-- Most objects have the same keys as an earlier one. Walking a tree by the keys finds its shape: the sorted keys, and
-- the text before each value.
local SHAPE = {}
local MAX_KEYS, MAX_NODES = 32, 1000 -- of cached shapes
local shapes, nodes = {}, 0

local SAFE = 2 ^ 53 -- `concat` writes whole numbers below this correctly

local function fail(depth, what)
  host.fail_encode(path, depth, what)
end

local function new_shape(t, depth)
  local names, count, renamed = {}, 0, {}
  for k in next, t do
    local name = k
    if type(k) ~= "string" then
      name = mathtype(k) == "integer" and format("%d", k)
      if not name or rawget(t, name) ~= nil then
        host.fail_keys(t, path, depth)
      end
      renamed[name] = k
    elseif not is_text(k) then
      host.fail_keys(t, path, depth)
    end
    count = count + 1
    names[count] = name
  end
  sort(names)
  local keys, heads, openings = {}, {}, {}
  for i = 1, count do
    local name = names[i]
    heads[i] = (i > 1 and "," or "{") .. quoted(name) .. ":"
    openings[i] = heads[i] .. '"' -- before a string
    keys[i] = renamed[name] or name
  end
  local shape = { keys = keys, heads = heads, openings = openings, count = count }
  if count <= MAX_KEYS then
    if nodes > MAX_NODES then
      shapes, nodes = {}, 0
    end
    local node = shapes
    for k in next, t do
      if not node[k] then
        node[k] = {}
        nodes = nodes + 1
      end
      node = node[k]
    end
    node[SHAPE] = shape
  end
  return shape
end

-- Return the shape of an object if it is cached, else nil.
function host.known_shape(t)
  local node = shapes
  for k in next, t do
    node = node[k]
    if not node then
      return nil
    end
  end
  return node[SHAPE]
end

local known_shape = host.known_shape

local MIN_MISSES = 128 -- objects of a shape after which a writer is generated from one
local MAX_GENERATED_DEPTH = MAX_DEPTH - 10
local misses -- number of objects of each shape that no writer wrote; nil: do not generate writers
local generated, writers -- state of `object_writers.lua`, and its writers by shape
local unchecked -- true if something was written without checking that it is UTF-8
local collecting -- result of `stop_collecting`, if it was called

local function count_miss(t, shape)
  local count = (misses[shape] or 0) + 1
  misses[shape] = count
  if count >= MIN_MISSES and count & (count - 1) == 0 then
    if not generated then
      generated = host.new_object_writers(out, path)
      writers = generated.writers
      -- Everything allocated from now on is needed until the end, so collecting would be useless.
      collecting = stop_collecting()
    end
    host.add_object_writer(generated, t, shape)
  end
end

-- Return the text of a boolean, nil, number or function. Raises an error for other values.
local function scalar_text(v, kind, depth)
  if kind == "boolean" then
    return v and "true" or "false"
  elseif kind == "nil" then
    return "null"
  elseif kind == "number" then
    if mathtype(v) == "integer" then
      return v
    elseif v == v and v ~= huge and v ~= -huge then
      return float_text(v)
    elseif attachments then
      return '"\\u0000d' .. (v ~= v and "nan" or v > 0 and "inf" or "-inf") .. '"'
    end
    fail(depth, v ~= v and "NaN" or "an infinite number")
  elseif kind == "function" and mode == "call" then
    return '"\\u0000f' .. host.hold(v) .. '"'
  end
  fail(depth, "a " .. kind)
end

-- Return the wire form of a byte string, inside quotes.
local function attachment_text(s)
  if #attachments < MAX_ATTACHMENTS then
    attachments[#attachments + 1] = s
    return "\\u0000r" .. #attachments
  end
  return "\\u0000x" .. gsub(s, ".", function(c)
    return format("%02x", byte(c))
  end)
end

-- Check a table with a metatable; returns true if it is marked as an array.
local function check_marked(t, metatable, depth)
  if host.is_handle(t) then
    fail(depth, host.describe(t))
  end
  local marked = rawequal(metatable, array_metatable)
  foreign = foreign or not marked
  return marked or constant_arrays[t]
end

-- Raise an error if the table of the last level contains itself, or is nested too deeply.
local function check_path(depth)
  local t = open[depth + 1]
  for i = 1, depth do
    -- `==` is faster but may call a metamethod of the script.
    if not foreign and open[i] == t or foreign and rawequal(open[i], t) then
      local seen = {}
      for first = 1, depth + 1 do
        if seen[open[first]] then
          fail(first - 1, "a table that contains itself")
        end
        seen[open[first]] = true
      end
    end
  end
  if depth >= MAX_DEPTH then
    fail(8, "more than " .. MAX_DEPTH .. " levels")
  end
end

-- Write the first items of a long array in one piece if they have the same kind. Returns the new number of pieces, and
-- the index of the next item.
local function write_run(items, length, n)
  local text, count = host.write_run(items, length)
  if count == 0 then
    return n, 1
  end
  out[n + 1], out[n + 2], unchecked = "[", text, true
  return n + 2, count + 1
end

-- Write a value after the first `n` pieces and `m` strings; returns the new numbers.
local function write(v, depth, n, m)
  local kind = type(v)
  if kind == "string" then
    if attachments and #v > LONG_STRING and #attachments < MAX_ATTACHMENTS then
      out[n + 1] = '"' .. attachment_text(v) .. '"'
      return n + 1, m
    end
    out[n + 1], out[n + 2], out[n + 3] = '"', v, '"'
    strings[m + 1], places[m + 1] = v, n + 2
    return n + 3, m + 1
  elseif kind == "number" and v % 1 == 0 and v < SAFE and v > -SAFE then
    out[n + 1] = v
    return n + 1, m
  elseif kind ~= "table" then
    out[n + 1] = scalar_text(v, kind, depth)
    return n + 1, m
  end

  local metatable = getmetatable(v)
  if metatable == false and rawequal(v, null) then
    out[n + 1] = "null"
    return n + 1, m
  end
  local marked = metatable ~= nil and check_marked(v, metatable, depth)
  local inner = depth + 1
  open[inner] = v
  -- Checking on each level would take too long. A table that contains itself is nested deep enough to be found.
  if depth & (depth - 1) == 0 or depth >= MAX_DEPTH then
    check_path(depth)
  end
  local length = sequence_length(v) or marked and array_length(v)
  if length then
    local first = 1
    if misses and length >= LONG_ARRAY then
      n, first = write_run(v, length, n)
    end
    for i = first, length do
      path[inner] = i
      out[n + 1] = i > 1 and "," or "["
      n, m = write(rawget(v, i), inner, n + 1, m)
    end
    out[n + 1] = length > 0 and "]" or "[]"
    return n + 1, m
  end
  local shape = known_shape(v) or new_shape(v, depth)
  local writer = writers[shape]
  if writer and depth < MAX_GENERATED_DEPTH then
    local last_piece, last_string = writer(v, depth, n, m)
    if last_piece then
      unchecked = true
      return last_piece, last_string
    end
  end
  local keys, heads, openings, count = shape.keys, shape.heads, shape.openings, shape.count
  for i = 1, count do
    local key = keys[i]
    local item = v[key] -- the key exists, so no metamethod is called
    if type(item) == "string" and #item <= LONG_STRING then
      out[n + 1], out[n + 2], out[n + 3] = openings[i], item, '"'
      strings[m + 1], places[m + 1] = item, n + 2
      n, m = n + 3, m + 1
    else
      path[inner] = key
      out[n + 1] = heads[i]
      n, m = write(item, inner, n + 1, m)
    end
  end
  out[n + 1] = count > 0 and "}" or "{}"
  if misses then
    count_miss(v, shape)
  end
  return n + 1, m
end

host.write_value = write

-- Escape the strings, and move what is not JSON-serializable to the attachments.
local function finish(m)
  local all = concat(strings, " ", 1, m)
  if not is_text(all) or attachments and find(all, "\0", 1, true) then
    for i = 1, m do
      local s = strings[i]
      if attachments and byte(s) == 0 or not is_text(s) then
        if not attachments then
          host.fail_utf8(root, s, path)
        end
        out[places[i]], strings[i] = attachment_text(s), ""
      end
    end
  end
  local specials = present(SPECIALS, all)
  for i = 1, specials and m or 0 do
    if contains(strings[i], specials) then
      out[places[i]] = escaped(strings[i])
    end
  end
end

local function encode_root()
  local n, m = write(root, 0, 0, 0)
  finish(m)
  local text = concat(out, "", 1, n)
  if unchecked and not is_text(text) then
    -- Write it again without writers, which finds the invalid string.
    misses, writers, unchecked = nil, {}, false
    attachments = attachments and {}
    n, m = write(root, 0, 0, 0)
    finish(m)
    text = concat(out, "", 1, n)
  end
  return text
end

-- Encode a value. `wanted` is "json", "wire" (with attachments) or "call" (wire with functions).
-- Return the text and the array of attachments (nil for "json"), or nil and a message.
function host.encode(value, wanted)
  if host.borrower then
    host.borrower.fill_all(value)
  end
  root, mode, attachments = value, wanted, wanted ~= "json" and {} or nil
  out, strings, places, path, open, foreign = {}, {}, {}, {}, {}, false
  misses, writers, unchecked = {}, {}, false
  local ok, problem = pcall(encode_root)
  local result_attachments = attachments
  root, attachments, out, strings, places, path, open = nil, nil, nil, nil, nil, nil, nil
  misses, generated, writers = nil, nil, nil
  if collecting then
    resume_collecting(collecting)
    collecting = nil
  end
  if ok then
    if host.note then
      host.note(problem)
    end
    return problem, result_attachments
  elseif host.check_memory then
    host.check_memory(problem)
  end
  return nil, type(problem) == "table" and problem[null] or tostring(problem)
end

-- Encode a single value as JSON. A string of invalid UTF-8 becomes "=" and its bytes.
function host.encode_value(value)
  if type(value) == "string" and not is_text(value) then
    return "=" .. value
  end
  return host.encode(value, "json")
end
