-- Generates readers for similar objects in a long JSON text, for `decode.lua`.
--
-- The objects of a list usually have the same keys, with values of the same kinds. From an example, a function is
-- generated that reads a similar object with a few calls of `match`. Each matches a *stretch* of the text: the literal
-- text between values, and a capture for each string and scalar. Between stretches, `read_value` reads *mixed* values
-- (sometimes a string, sometimes a scalar, or a string with escapes) and *loose* values (tables of varying structure).
-- Where an object differs from the example, `decode.lua` continues from that position.
--
-- Parsing the 5 MB list of `bench/lua.py` takes 2.7 times as long without it.
--
-- Generated code contains only the keys and the text between values, as quoted strings.
local host = ...

local byte, find, format, gsub = string.byte, string.find, string.format, string.gsub
local match, rep, sub = string.match, string.rep, string.sub
local concat, mathtype, huge = table.concat, math.type, math.huge
local error, ipairs, load, setmetatable, tonumber = error, ipairs, load, setmetatable, tonumber

local null, array_metatable, read_value = host.null, host.array_metatable, host.read_value

local MAX_LENGTH = 4000 -- bytes of an example
local MAX_KEYS, MAX_ITEMS, MAX_LEVELS = 60, 8, 4 -- keys of an example, items of an array in it, levels of nesting
local MAX_SLOTS = 30 -- captures of a stretch: Lua's patterns have at most 32
local MAX_LOOSE = 12 -- loose values of an object
local MAX_EXAMPLES = 3 -- different examples of the objects under one key
local MAX_NUMBERS = 1000 -- cached numbers

-- Examples -----------------------------------------------------------------------------------------

-- Description of a value: one of these, or a table with `items`, the text before each (`heads`) and after the last
-- (`tail`), the number of captures (`slots`), and for an object `keys`.
local STRING, MIXED, SCALAR, LOOSE = { slots = 1 }, { slots = 1 }, { slots = 1 }, { slots = 0 }

-- Return the position after the string at `pos`.
local function behind_string(text, pos)
  pos = find(text, '["\\]', pos + 1)
  while byte(text, pos) == 92 do
    pos = find(text, '["\\]', pos + 2)
  end
  return pos + 1
end

local describe

-- Describe the array or object at `pos` of a valid text; returns the description and the position after it.
local function describe_table(text, pos, level)
  local keys = byte(text, pos) == 123 and {} or nil
  local node = { keys = keys, heads = {}, items = {}, slots = 0 }
  local fits, seen, count = level <= MAX_LEVELS, {}, 0
  local behind, start = pos, pos + 1 -- `behind`: position after the previous value
  while true do
    local stop = match(text, "^%s*[%]}]()", start)
    if stop then
      node.tail = sub(text, behind, stop - 1)
      fits = fits and count <= (keys and MAX_KEYS or MAX_ITEMS)
      fits = fits and node.slots <= (level == 0 and 3 or 1) * MAX_SLOTS
      return fits and node or LOOSE, stop
    end
    count = count + 1
    start = match(text, "^[,%s]*()", start)
    if keys then
      stop = behind_string(text, start)
      local key = sub(text, start + 1, stop - 2)
      fits = fits and not seen[key] and not find(key, "\\", 1, true)
      keys[count], seen[key] = key, true
      start = match(text, "^%s*:%s*()", stop)
    end
    local item
    node.heads[count] = sub(text, behind, start - 1)
    item, behind = describe(text, start, level + 1)
    fits = fits and (item ~= LOOSE or level == 0)
    node.items[count], node.slots = item, node.slots + item.slots
    start = behind
  end
end

function describe(text, pos, level)
  local c = byte(text, pos)
  if c == 123 or c == 91 then
    return describe_table(text, pos, level)
  elseif c ~= 34 then
    return SCALAR, match(text, "^[%w.+-]+()", pos)
  end
  local stop = behind_string(text, pos)
  return find(sub(text, pos, stop - 1), "\\", 1, true) and MIXED or STRING, stop
end

-- Return a description that fits both of two values; nil if it would be loose.
local function merge(a, b, level)
  if a == b then
    return a
  elseif a ~= LOOSE and b ~= LOOSE and not a.items and not b.items then
    return MIXED
  elseif not (a.items and b.items and #a.items == #b.items and a.tail == b.tail) then
    return nil
  end
  local both = { keys = a.keys, heads = a.heads, items = {}, tail = a.tail, slots = 0 }
  for i = 1, #a.items do
    if a.heads[i] ~= b.heads[i] then
      return nil
    end
    local item = merge(a.items[i], b.items[i], level + 1) or LOOSE
    if item == LOOSE and level > 0 then
      return nil
    end
    both.items[i], both.slots = item, both.slots + item.slots
  end
  return both
end

-- Readers ------------------------------------------------------------------------------------------

-- Parse a number; returns nil if it is not valid JSON.
local function number_of(s)
  local number, first = tonumber(s), byte(s)
  if not number or number == huge or number == -huge then
    return nil
  elseif first >= 49 and first <= 57 then
    return (mathtype(number) == "integer" or find(s, "%.%d") or not find(s, ".", 1, true)) and number or nil
  elseif find(s, "^0%.%d") then
    return number
  end
  local rest = match(s, "^-?[1-9]%d*(.*)") or match(s, "^-?0(.*)")
  rest = rest and (match(rest, "^%.%d+(.*)") or rest)
  return rest and (rest == "" or find(rest, "^[eE][+-]?%d+$")) and number or nil
end

-- Return a table of scalars by their text. Numbers are parsed on first use.
local function scalars(value_of_null)
  local room = MAX_NUMBERS
  return setmetatable({ ["true"] = true, ["false"] = false }, {
    __index = function(values, s)
      if s == "null" then
        return value_of_null
      end
      local number = number_of(s)
      if not number then
        error(host.MALFORMED, 0)
      elseif room > 0 then
        room = room - 1
        values[s] = number
      end
      return number
    end,
  })
end

-- Return the state for one text. `plain` is the pattern for the contents of a string without escapes.
function host.new_object_readers(plain)
  return { string_slot = '"(' .. plain .. ')"', fields = scalars(nil), cells = scalars(null), runs = {} }
end

local BEGINS = {} -- first bytes of strings and scalars
for _, code in ipairs({ byte('"-0123456789tfn', 1, -1) }) do
  BEGINS[code] = true
end

local SCALAR_SLOT = "([%w.+-]+)"

local function literal(s)
  return (gsub(s, "[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0"))
end

local function end_stretch(reader)
  local code, names = reader.code, concat(reader.names, ", ")
  if names ~= "" then
    code[#code + 1], names = "local " .. names, names .. ", "
  end
  code[#code + 1] = format("%sstop = match(text, %q, pos)", names, reader.pattern .. "()")
  code[#code + 1] = format("if not stop then return %s end pos = stop", reader.mismatch)
  reader.pattern, reader.names = "^", {}
end

-- Add a value to a reader; returns the expression that creates it from the captures.
local function add(reader, item, is_cell)
  if item.items then
    local values = {}
    for i, inner in ipairs(item.items) do
      reader.pattern = reader.pattern .. literal(item.heads[i])
      values[i] = add(reader, inner, not item.keys)
      if item.keys then
        values[i] = format("[%q] = %s", item.keys[i], values[i])
      end
    end
    reader.pattern = reader.pattern .. literal(item.tail)
    return format(item.keys and "{ %s }" or "array({ %s }, array_metatable)", concat(values, ", "))
  end
  reader.locals = reader.locals + 1
  local name = "v" .. reader.locals
  if item == MIXED then
    local code = reader.code
    end_stretch(reader)
    code[#code + 1] = format("if not begins[byte(text, pos) or 0] then return %s end", reader.mismatch)
    code[#code + 1] = format("local %s %s, pos = read_value(pos, depth, '')", name, name)
    return is_cell and format("(%s == nil and null or %s)", name, name) or name
  end
  reader.names[#reader.names + 1] = name
  reader.pattern = reader.pattern .. (item == STRING and reader.string_slot or SCALAR_SLOT)
  return item == STRING and name or format("%s[%s]", is_cell and "cells" or "fields", name)
end

-- Generate a function that reads objects similar to an example. Its arguments are the text, and the position and depth
-- of the object; it returns the object and the position after it. For an object that differs it returns the values that
-- it could read, the position after the last one, and their number.
local function reader_of(node, state)
  local reader = { code = {}, pattern = "^", names = {}, locals = 0, string_slot = state.string_slot }
  reader.mismatch = "nil, start, 0"
  local code, values = reader.code, {}
  code[1] = "local byte, match, begins, read_value, fields, cells, null, array, array_metatable = ..."
  code[2] = "return function(text, pos, depth) local start, stop = pos"

  local function keep(count) -- if the object differs later, do not read the first `count` values again
    code[#code + 1] = "start = pos"
    reader.mismatch = format("{ %s }, start, %d", concat(values, ", "), count)
  end

  for i, item in ipairs(node.items) do
    if #reader.names + item.slots > MAX_SLOTS then
      end_stretch(reader)
      keep(i - 1)
    end
    reader.pattern = reader.pattern .. literal(node.heads[i])
    if item == LOOSE then
      end_stretch(reader)
      code[#code + 1] = format("local t%d t%d, pos = read_value(pos, depth, %q)", i, i, node.keys[i])
      values[i] = format("[%q] = t%d", node.keys[i], i)
      keep(i)
    else
      values[i] = format("[%q] = %s", node.keys[i], add(reader, item, false))
    end
  end
  reader.pattern = reader.pattern .. literal(node.tail)
  end_stretch(reader)
  code[#code + 1] = format("return { %s }, pos end", concat(values, ", "))
  local make = load(concat(code, "\n"), "=[assay]", "t", {})
  return make(byte, match, BEGINS, read_value, state.fields, state.cells, null, setmetatable, array_metatable)
end

-- Generate a reader from the object between two positions, which no reader of its key could read completely. `known`
-- has the `examples` and `readers` of the objects under that key.
function host.add_object_reader(state, known, text, start, stop)
  local example = stop - start <= MAX_LENGTH and describe_table(text, start, 0) or LOOSE
  local loose = 0
  for _, item in ipairs(example.items or {}) do
    loose = loose + (item == LOOSE and 1 or 0)
  end
  if example == LOOSE or loose > MAX_LOOSE then
    return
  end
  known.examples, known.readers = known.examples or {}, known.readers or {}
  for i, other in ipairs(known.examples) do
    local both = merge(other, example, 0)
    if both then
      known.examples[i], known.readers[i] = both, reader_of(both, state)
      return
    end
  end
  if #known.examples < MAX_EXAMPLES then
    known.examples[#known.examples + 1] = example
    known.readers[#known.readers + 1] = reader_of(example, state)
  end
end

-- Read strings or scalars of an array, eight at a time, while a comma follows. `n` is the number of items so far;
-- returns the new number and the position after the last comma.
function host.read_run(state, text, pos, items, n)
  local space, c = match(text, "^([ \n\r\t]*)([^%[{])", pos)
  if not space then
    return n, pos
  end
  local is_string = c == '"'
  local kind = is_string and space .. c or space
  local pattern = state.runs[kind]
  if not pattern then
    pattern = "^" .. rep(space .. (is_string and state.string_slot or SCALAR_SLOT) .. ",", 8) .. "()"
    state.runs[kind] = pattern
  end
  local cells = state.cells
  while true do
    local s1, s2, s3, s4, s5, s6, s7, s8, stop = match(text, pattern, pos)
    if not stop then
      return n, pos
    elseif is_string then
      items[n + 1], items[n + 2], items[n + 3], items[n + 4] = s1, s2, s3, s4
      items[n + 5], items[n + 6], items[n + 7], items[n + 8] = s5, s6, s7, s8
    else
      items[n + 1], items[n + 2], items[n + 3], items[n + 4] = cells[s1], cells[s2], cells[s3], cells[s4]
      items[n + 5], items[n + 6], items[n + 7], items[n + 8] = cells[s5], cells[s6], cells[s7], cells[s8]
    end
    n, pos = n + 8, stop
  end
end
