-- In a run: lends objects to the copy in which its query handlers and validators run (`borrow.lua`). Objects are sent
-- as numbers; the contents of a plain table are only sent on request. Lending calls no code of the script and changes
-- nothing that the script can observe.
--
-- A message is a list of records, terminated by a record of kind ".":
--   f number code            a function
--   u number cells           the upvalues of a function; the value of a cell is sent once
--   b number name            a builtin
--   h number class id        a handle
--   x number path kind       an object that cannot be lent
--   p number contents        a plain table
--   e number contents        an error object
--   t number contents metatable
-- Values follow the records. A number without a record refers to a plain table that is lent later.
local host = ...

local pack = string.pack
local concat = table.concat
local getupvalue, upvalueid = debug.getupvalue, debug.upvalueid
local dump = string.dump
local next, rawequal, rawget, rawlen, type = next, rawequal, rawget, rawlen, type

local pack_scalar, stub_reason, visible_metatable = host.pack_scalar, host.stub_reason, host.visible_metatable

local LARGE = 64 -- entries: fields of larger tables are lent one by one
local MAX_PATH = 64 -- bytes of a key that an error message shows

local numbers, objects, count -- object -> number, number -> object, and the last number
local is_lent -- number -> whether its record has been sent
local next_unlent -- lowest number that may not have been lent
local cells, cell_count -- upvalue -> number
local heads, bodies -- records that create objects, and records that fill them
local queue -- numbers of objects that still need a record, each followed by its path

-- Encode a value; `path` is its key or name, for error messages.
local function write(value, path)
  local scalar = pack_scalar(value)
  if scalar then
    return scalar
  end
  local number = numbers[value]
  if not number then
    number = count + 1
    count = number
    numbers[value], objects[number] = number, value
    queue[#queue + 1] = number
    queue[#queue + 1] = path
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

-- Append the records of a table with the metatable `metatable`.
local function add_table(number, t, metatable)
  local contents = write_contents("t", number, t)
  bodies[#bodies + 1] = contents .. write(metatable, "metatable")
  local meta_number = numbers[metatable]
  if meta_number and not is_lent[meta_number] and not visible_metatable(metatable) and not host.names[metatable] then
    bodies[#bodies + 1] = write_contents("p", meta_number, metatable)
  end
end

-- Append the records of an object, unless it is a plain table.
local function add_records(number, path)
  local value = objects[number]
  local name = host.names[value]
  local reason = not name and stub_reason(value, true)
  if name then
    heads[#heads + 1] = pack("<c1I4s4", "b", number, name)
  elseif reason then
    path = type(path) == "string" and #path <= MAX_PATH and path or type(path)
    heads[#heads + 1] = pack("<c1I4s4s4", "x", number, path, reason)
  elseif type(value) == "function" then
    write_function(value, number)
  elseif host.is_handle(value) then
    heads[#heads + 1] = pack("<c1I4s4I4", "h", number, host.is_handle(value), host.handle_ids[value])
  elseif host.is_error(value) then
    bodies[#bodies + 1] = write_contents("e", number, value)
  else
    local metatable = visible_metatable(value)
    if not metatable then
      return
    end
    add_table(number, value, metatable)
  end
  is_lent[number] = true
end

-- Return the message with all pending records and the encoded `values`.
local function message(values)
  local at = 1
  while at <= #queue do
    add_records(queue[at], queue[at + 1])
    at = at + 2
  end
  local records = concat(heads) .. concat(bodies)
  heads, bodies, queue = {}, {}, {}
  return records .. "." .. values
end

local function write_pairs(t)
  local out, size = {}, 0
  for key, value in next, t do
    out[size + 1], out[size + 2] = write(key, key), write(value, key)
    size = size + 2
  end
  return pack("<I4", size // 2) .. concat(out)
end

-- Begin to lend. Return the message with the held functions `…`, the globals and modules of the script, and its
-- additions to libraries and metatables.
function host.begin_lending(...)
  numbers, objects, count = {}, {}, 0
  is_lent, next_unlent = {}, 1
  cells, cell_count = {}, 0
  heads, bodies, queue = {}, {}, {}
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

function host.end_lending()
  numbers, objects, is_lent, cells = nil, nil, nil, nil
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

-- Return the message with the contents of the table `number`, and of up to `more` other tables that the copy may need
-- next. With `has_key`, a large table is not sent: the message has the value of its field `key` instead.
function host.lend(number, more, has_key, key)
  local t = objects[number]
  if has_key and not is_small(t) then
    return message(write(rawget(t, key), key))
  end
  local known = count -- higher numbers may not be plain tables
  bodies[1] = write_contents("p", number, t)
  while more > 0 and next_unlent <= known do
    local other = next_unlent
    next_unlent = other + 1
    if not is_lent[other] and is_small(objects[other]) and not visible_metatable(objects[other]) then
      bodies[#bodies + 1] = write_contents("p", other, objects[other])
      more = more - 1
    end
  end
  return message("")
end

-- Return the length of the table `number`.
function host.lend_length(number)
  return rawlen(objects[number])
end
