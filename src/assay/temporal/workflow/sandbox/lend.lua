-- In a run: lends what its readers reach to the copy in which they run (`borrow.lua`). Objects cross as numbers, and what
-- is in a plain table only when the copy asks for it. Nothing here calls a script, or changes what one can see.
--
-- A message is a list of records, which end with one of kind ".":
--   f number code            a function          u number cells     its upvalues, of which each cell comes once
--   b number name            a builtin           h number class id  a handle
--   x number path what       what cannot be lent
--   p number contents        a plain table       e number contents  an error object
--   t number contents metatable
-- Values follow. A reference to a number without a record is a plain table, which is lent later.
local host = ...

local pack = string.pack
local concat = table.concat
local getinfo, getmetatable, getupvalue, upvalueid =
  debug.getinfo, debug.getmetatable, debug.getupvalue, debug.upvalueid
local dump = string.dump
local mathtype, next, rawequal, rawget, rawlen, type = math.type, next, rawequal, rawget, rawlen, type

local G = host.globals

local LARGE = 64 -- entries of a table from which single fields are lent
local MAX_PATH = 64 -- bytes of a key in a message

local numbers, objects, count -- object -> its number, and the other way round
local is_lent -- numbers whose record was sent
local next_unlent -- the first number that may not be in `is_lent`
local cells, cell_count -- upvalue -> number
local heads, bodies, left -- records of the message, those that make objects first; and what is still to be described

local function forget()
  numbers, objects, is_lent, cells = nil, nil, nil, nil
end

-- A value, which is reached by `step`.
local function write(value, step)
  local kind = type(value)
  if kind == "string" then
    return pack("<c1s4", "S", value)
  elseif kind == "number" then
    return mathtype(value) == "integer" and pack("<c1i8", "I", value) or pack("<c1d", "D", value)
  elseif kind == "boolean" then
    return value and "T" or "F"
  elseif kind == "nil" then
    return "N"
  elseif rawequal(value, G) then
    return "G"
  end
  local number = numbers[value]
  if not number then
    number = count + 1
    count = number
    numbers[value], objects[number] = number, value
    left[#left + 1] = number
    left[#left + 1] = step
  end
  return pack("<c1I4", "R", number)
end

local function write_contents(kind, number, t)
  local keep_out = rawget(host, "keep_out")
  local out, size = {}, 0
  for key, item in next, t do
    if not (keep_out and rawequal(item, keep_out)) then
      out[size + 1], out[size + 2] = write(key, key), write(item, key)
      size = size + 2
    end
  end
  is_lent[number] = true
  return pack("<c1I4I4", kind, number, size // 2) .. concat(out, "", 1, size)
end

local function write_function(fn, number)
  heads[#heads + 1] = pack("<c1I4s4", "f", number, dump(fn))
  local out, i = {}, 0
  while true do
    local name, value = getupvalue(fn, i + 1)
    if not name then
      break
    end
    i = i + 1
    local key = upvalueid(fn, i)
    local cell = cells[key]
    if cell then
      out[i] = pack("<I4", cell) .. "-"
    else
      cell_count = cell_count + 1
      cells[key] = cell_count
      out[i] = pack("<I4", cell_count) .. "+" .. write(value, name)
    end
  end
  bodies[#bodies + 1] = pack("<c1I4I4", "u", number, i) .. concat(out)
end

local function stub(number, step, what)
  local path = type(step) == "string" and #step <= MAX_PATH and step or type(step)
  heads[#heads + 1] = pack("<c1I4s4s4", "x", number, path, what)
end

local function metatable_of(t)
  local metatable = getmetatable(t)
  local guard = rawget(host, "GUARD")
  if not (guard and rawequal(metatable, guard)) then
    return metatable
  end
end

-- Describe an object, unless it is a plain table.
local function describe(number, step)
  local value = objects[number]
  local kind, name = type(value), host.names[value]
  if name then
    heads[#heads + 1] = pack("<c1I4s4", "b", number, name)
  elseif kind == "function" then
    local info = getinfo(value, "S")
    if info.what == "C" then
      stub(number, step, "a C function")
    elseif host.is_private(info) then
      stub(number, step, "a function made by a library")
    else
      write_function(value, number)
    end
  elseif kind ~= "table" then
    stub(number, step, "a " .. kind)
  elseif host.handle_ids[value] then
    heads[#heads + 1] = pack("<c1I4s4I4", "h", number, host.is_handle(value), host.handle_ids[value])
  elseif host.is_handle(value) then
    stub(number, step, host.describe(value))
  elseif host.is_error(value) then
    bodies[#bodies + 1] = write_contents("e", number, value)
  else
    local metatable = metatable_of(value)
    if not metatable then
      return
    end
    local contents = write_contents("t", number, value)
    bodies[#bodies + 1] = contents .. write(metatable, "metatable")
    local its_number = numbers[metatable]
    if its_number and not is_lent[its_number] and not metatable_of(metatable) and not host.names[metatable] then
      bodies[#bodies + 1] = write_contents("p", its_number, metatable)
    end
  end
  is_lent[number] = true
end

-- The message of what has been written, before the text of its values.
local function message(values)
  local at = 1
  while at <= #left do
    describe(left[at], left[at + 1])
    at = at + 2
  end
  left = {}
  local text = concat(heads) .. concat(bodies) .. "." .. values
  heads, bodies = {}, {}
  return text
end

local function write_pairs(t)
  local out, size = {}, 0
  for key, value in next, t do
    out[size + 1], out[size + 2] = write(key, key), write(value, key)
    size = size + 2
  end
  return pack("<I4", size // 2) .. concat(out)
end

-- Begin to lend; returns the message with the held functions `…`, the script's own globals and modules, and what it has
-- added to libraries and metatables.
function host.begin_lending(...)
  numbers, objects, count = {}, {}, 0
  is_lent, next_unlent = {}, 1
  cells, cell_count = {}, 0
  heads, bodies, left = {}, {}, {}
  local functions, own = { ... }, host.own()
  local values = {}
  for i = 1, #functions do
    values[i] = write(host.held(functions[i]), "the handler")
  end
  values[#values + 1] = write_pairs(own.globals)
  values[#values + 1] = write_pairs(own.modules)
  local names = {}
  for name, added in next, own.libraries do
    names[#names + 1] = pack("<s4", name) .. write_pairs(added)
  end
  values[#values + 1] = pack("<I4", #names) .. concat(names)
  values[#values + 1] = write(own.metatables.globals, "the metatable of the globals")
  values[#values + 1] = write_pairs(own.metatables.strings)
  return message(concat(values))
end

-- Let go of all that is lent.
function host.end_lending()
  forget()
end

local function is_small(t)
  local n = 0
  for _ in next, t do
    n = n + 1
    if n > LARGE then
      return false
    end
  end
  return true
end

-- The message with the contents of the table `number`, and with those of `more` others that may be wanted next. Of a
-- large one it is only the field `key`, if there is one: a value then.
function host.lend(number, more, has_key, key)
  local t = objects[number]
  if has_key and not is_small(t) then
    return message(write(rawget(t, key), key))
  end
  local known = count -- of which it is clear that they are plain
  bodies[1] = write_contents("p", number, t)
  while more > 0 and next_unlent <= known do
    local other = next_unlent
    next_unlent = other + 1
    if not is_lent[other] and is_small(objects[other]) and not metatable_of(objects[other]) then
      bodies[#bodies + 1] = write_contents("p", other, objects[other])
      more = more - 1
    end
  end
  return message("")
end

-- The length of the table `number`.
function host.lend_length(number)
  return rawlen(objects[number])
end
