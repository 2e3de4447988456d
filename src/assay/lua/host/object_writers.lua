-- Generates writers for similar objects in a large value, for `encode.lua`.
--
-- The objects of a list usually have the same keys, with values of the same kinds. From an example, a function is
-- generated that writes a similar object with a few calls of `format`. Each writes a *stretch* of the text: the literal
-- keys, and a slot for each string and scalar. Between stretches, `write` writes *mixed* values (sometimes a string,
-- sometimes a scalar, or a string with escapes) and *loose* values (tables of varying structure). `encode.lua` writes
-- objects that differ from the example.
--
-- Encoding the 5 MB list of `bench/lua.py` takes 2.2 times as long without it.
local host = ...

local byte, find, format, gsub = string.byte, string.find, string.format, string.gsub
local concat, unpack = table.concat, table.unpack
local mathtype, huge = math.type, math.huge
local getmetatable, ipairs, load, next, rawequal, setmetatable, type =
  getmetatable, ipairs, load, next, rawequal, setmetatable, type

local null, array_metatable = host.null, host.array_metatable
local float_text, quoted = host.float_text, host.quoted
local known_shape, sequence_length = host.known_shape, host.sequence_length

local MAX_ITEMS, MAX_LEVELS, MAX_SLOTS = 8, 4, 60 -- items of an array, levels of nesting, slots of an example
local MAX_LOOSE = 12 -- loose values of an object
local MARKS = { [array_metatable] = true, [0] = true } -- metatables of arrays; 0 represents none
local MAX_NUMBERS = 1000 -- numbers whose text is cached

-- Examples -----------------------------------------------------------------------------------------

-- Description of a value: one of these, or a table with `items`, the number of `slots`, and for an object its `shape`.
local STRING, MIXED, LOOSE = { slots = 1 }, { slots = 1 }, { slots = 0 }
local INTEGER, SCALAR = { slots = 1 }, { slots = 1 }

local describe

local function describe_table(t, shape, level)
  local node = { items = {}, shape = shape, slots = 1 }
  for i = 1, shape and shape.count or #t do
    local item = describe(t[shape and shape.keys[i] or i], level + 1)
    if item == LOOSE and level > 0 then
      return LOOSE
    end
    node.items[i], node.slots = item, node.slots + item.slots
  end
  return node
end

function describe(v, level)
  local kind, metatable = type(v), getmetatable(v)
  if kind == "string" then
    return find(v, '[%c"\\]') and MIXED or STRING
  elseif kind == "number" then
    return mathtype(v) == "integer" and INTEGER or SCALAR
  elseif kind == "boolean" or metatable == false and rawequal(v, null) then
    return SCALAR
  elseif kind ~= "table" or level > MAX_LEVELS then
    return LOOSE
  end
  if metatable == nil or rawequal(metatable, array_metatable) then
    local length = sequence_length(v)
    local shape = not length and metatable == nil and known_shape(v)
    if shape or length and length <= MAX_ITEMS then
      return describe_table(v, shape, level)
    end
  end
  return LOOSE
end

-- Return a description that fits both of two values.
local function merge(a, b, level)
  if a == b then
    return a
  elseif (a == INTEGER or a == SCALAR) and (b == INTEGER or b == SCALAR) then
    return SCALAR
  elseif a ~= LOOSE and b ~= LOOSE and not a.items and not b.items then
    return MIXED
  elseif not (a.items and b.items and a.shape == b.shape and #a.items == #b.items) then
    return LOOSE
  end
  local both = { items = {}, shape = a.shape, slots = 1 }
  for i = 1, #a.items do
    local item = merge(a.items[i], b.items[i], level + 1)
    if item == LOOSE and level > 0 then
      return LOOSE
    end
    both.items[i], both.slots = item, both.slots + item.slots
  end
  return both
end

-- Writers ------------------------------------------------------------------------------------------

-- Return a table of the texts of scalars. Only fractions are cached: a whole float would be the same key as an integer.
local function scalar_texts()
  local room = MAX_NUMBERS
  return setmetatable({ [true] = "true", [false] = "false", [null] = "null" }, {
    __index = function(texts, v)
      local kind = mathtype(v)
      if kind == "integer" then
        return v
      elseif kind and v == v and v ~= huge and v ~= -huge then
        local text = float_text(v)
        if room > 0 and v % 1 ~= 0 then
          room = room - 1
          texts[v] = text
        end
        return text
      end
    end,
  })
end

-- Return true if a string quoted by `format` is not valid JSON, because it has a control character.
local function is_broken(piece)
  return find(gsub(piece, '\\["\\]', ""), "\\", 1, true) ~= nil
end

local function literal(s)
  return (gsub(s, "%%", "%%%%"))
end

local function end_stretch(writer)
  local code, ending = writer.code, writer.ending
  if #writer.names == 0 then
    ending[#ending + 1] = format("out[n + 1] = %q n = n + 1", format(writer.text))
  else
    writer.pieces = writer.pieces + 1
    local piece = "p" .. writer.pieces
    code[#code + 1] = format("local %s = format(%q, %s)", piece, writer.text, concat(writer.names, ", "))
    code[#code + 1] = format("if find(%s, '\\\\', 1, true) and is_broken(%s) then return end", piece, piece)
    ending[#ending + 1] = format("out[n + 1] = %s n = n + 1", piece)
  end
  writer.text, writer.names = "", {}
end

-- Add a value to a writer. `source` is its expression.
local function add(writer, item, source)
  local code = writer.code
  writer.locals = writer.locals + 1
  local name = "v" .. writer.locals
  code[#code + 1] = format("local %s = %s", name, source)
  if item.items then
    local shape = item.shape
    code[#code + 1] = format("if type(%s) ~= 'table' then return end count = 0", name)
    if shape then
      -- The expected keys are checked later; here only that there are no others.
      code[#code + 1] = format("if getmetatable(%s) ~= nil then return end", name)
      code[#code + 1] = format("for _ in next, %s do count = count + 1 end", name)
    else
      code[#code + 1] = format("if not marks[getmetatable(%s) or 0] then return end", name)
      code[#code + 1] = format("for i in next, %s do count = count + 1 if i ~= count then return end end", name)
    end
    code[#code + 1] = format("if count ~= %d then return end", #item.items)
    for i, inner in ipairs(item.items) do
      writer.text = writer.text .. (shape and literal(shape.heads[i]) or i > 1 and "," or "[")
      add(writer, inner, format("%s[%q]", name, shape and shape.keys[i] or i))
    end
    writer.text = writer.text .. (not shape and "]" or shape.count > 0 and "}" or "{}")
    return
  elseif item == MIXED then
    end_stretch(writer)
    code[#code + 1] = format("if type(%s) ~= 'string' then %s = texts[%s]", name, name, name)
    -- In wire, a string that begins with NUL needs another form.
    code[#code + 1] = format("elseif byte(%s) == 0 then return else %s = quoted(%s) end", name, name, name)
    code[#code + 1] = format("if not %s then return end", name)
    writer.ending[#writer.ending + 1] = format("out[n + 1] = %s n = n + 1", name)
    return
  elseif item == STRING then
    code[#code + 1] = format("if type(%s) ~= 'string' then return end", name)
    writer.text = writer.text .. "%q"
  elseif item == INTEGER then
    code[#code + 1] = format("if mathtype(%s) ~= 'integer' then return end", name)
    writer.text = writer.text .. "%d"
  else
    code[#code + 1] = format("%s = texts[%s] if not %s then return end", name, name, name)
    writer.text = writer.text .. "%s"
  end
  writer.names[#writer.names + 1] = name
end

-- Generate a function that writes objects similar to an example. It is called like `write`, and returns nil if the
-- object differs.
local function writer_of(node, state)
  local shape = node.shape
  local writer = { locals = 0, pieces = 0, text = "", names = {} }
  writer.code, writer.ending = {}, {} -- code that checks the object, and code that only writes
  writer.code[1] = "local byte, find, format, getmetatable, mathtype, next, type, marks, texts, quoted, is_broken, "
    .. "out, path, write = ..."
  writer.code[2] = "return function(t, depth, n, m) local count"
  for i, item in ipairs(node.items) do
    local key = shape.keys[i]
    writer.text = writer.text .. literal(shape.heads[i])
    if item == LOOSE then
      end_stretch(writer)
      local ending = writer.ending
      ending[#ending + 1] = format("path[depth + 1] = %q", key)
      ending[#ending + 1] = format("n, m = write(t[%q], depth + 1, n, m)", key)
    else
      add(writer, item, format("t[%q]", key))
    end
  end
  writer.text = writer.text .. (shape.count > 0 and "}" or "{}")
  end_stretch(writer)
  local text = concat(writer.code, "\n") .. "\n" .. concat(writer.ending, "\n") .. "\nreturn n, m end"
  local make = load(text, "=[assay]", "t", {})
  local out, path, write = state.out, state.path, host.write_value
  local texts = state.texts
  return make(byte, find, format, getmetatable, mathtype, next, type, MARKS, texts, quoted, is_broken, out, path, write)
end

-- Return the state for one value, which is written to `out`: for each shape an example and a writer.
function host.new_object_writers(out, path)
  return { out = out, path = path, texts = scalar_texts(), examples = {}, writers = {} }
end

-- Write the first items of an array while they are integers, or strings without control characters. Returns the text
-- and the number of items.
function host.write_run(items, length)
  local count = 0
  if mathtype(items[1]) == "integer" then
    repeat
      count = count + 1
    until count == length or mathtype(items[count + 1]) ~= "integer"
    return concat(items, ",", 1, count), count
  end
  local pieces = {}
  while count + 8 <= length do
    local a, b, c, d, e, f, g, h = unpack(items, count + 1, count + 8)
    if
      type(a) ~= "string"
      or type(b) ~= "string"
      or type(c) ~= "string"
      or type(d) ~= "string"
      or type(e) ~= "string"
      or type(f) ~= "string"
      or type(g) ~= "string"
      or type(h) ~= "string"
    then
      break
    end
    local piece = format("%q,%q,%q,%q,%q,%q,%q,%q", a, b, c, d, e, f, g, h)
    if find(piece, "\\", 1, true) and is_broken(piece) then
      break
    end
    pieces[#pieces + 1] = piece
    count = count + 8
  end
  return concat(pieces, ","), count
end

-- Generate a writer from an object that no writer could write.
function host.add_object_writer(state, t, shape)
  local example = describe_table(t, shape, 0)
  local before = state.examples[shape]
  if before then
    example = merge(before, example, 0)
  end
  local loose = 0
  for _, item in ipairs(example.items) do
    loose = loose + (item == LOOSE and 1 or 0)
  end
  state.examples[shape] = example
  local fits = loose <= MAX_LOOSE and example.slots <= MAX_SLOTS
  state.writers[shape] = fits and writer_of(example, state) or nil
end
