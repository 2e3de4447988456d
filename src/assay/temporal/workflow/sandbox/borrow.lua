-- In the copy of a run: fetches the contents of the run's tables on first access (see `lend.lua` for the messages).
-- Until then a table is empty and has the metatable `host.LAZY`, like libraries that are not loaded.
local host = ...

local unpack_from, sub = string.unpack, string.sub
local getmetatable, next, rawequal, rawset, setmetatable, type =
  debug.getmetatable, next, rawequal, rawset, debug.setmetatable, type
local setupvalue, upvaluejoin = debug.setupvalue, debug.upvaluejoin
local unpack = table.unpack

local G, LAZY, unpack_scalar = host.globals, host.LAZY, host.unpack_scalar

local MAX_FIELDS = 32 -- fields of a table that are fetched one by one before all of it is
local MAX_MORE = 4096 -- tables that one message may contain in addition to the requested one

local objects = {} -- number -> object
local numbers = {} -- unfilled table -> number
local owners = {} -- cell -> { function, upvalue index } of its first use
local fields = {} -- unfilled table -> its fetched fields: key -> value or ABSENT
local counts = {} -- unfilled table -> number of its fetched fields
local lengths = {} -- unfilled table -> its length
local more = 1 -- tables that the next message may contain in addition to the requested one

local ABSENT = {}

local message -- the message being read

local function object(number)
  local existing = objects[number]
  if existing ~= nil then
    return existing
  end
  local t = setmetatable({}, LAZY)
  objects[number], numbers[t] = t, number
  return t
end

local function read(at)
  local tag = sub(message, at, at)
  if tag == "R" then
    return object((unpack_from("<I4", message, at + 1))), at + 5
  end
  return unpack_scalar(message, tag, at + 1)
end

-- Read entries at `at` into `target`. Returns the position after them, and a table with just these entries.
local function read_pairs(target, at)
  local count
  count, at = unpack_from("<I4", message, at)
  local contents = {}
  for _ = 1, count do
    local key, value
    key, at = read(at)
    value, at = read(at)
    rawset(target, key, value)
    contents[key] = value
  end
  return at, contents
end

local function is_unfilled(t)
  return numbers[t] ~= nil
end

local function mark_filled(t)
  numbers[t] = nil
  if fields[t] or lengths[t] then
    fields[t], counts[t], lengths[t] = nil, nil, nil
  end
  setmetatable(t, nil)
end

local function read_function(number, at)
  local fn = objects[number]
  local count
  count, at = unpack_from("<I4", message, at)
  for i = 1, count do
    local cell = unpack_from("<I4", message, at)
    local is_new = sub(message, at + 4, at + 4) == "+"
    at = at + 5
    if is_new then
      local value
      value, at = read(at)
      setupvalue(fn, i, value)
      owners[cell] = { fn, i }
    else
      upvaluejoin(fn, i, owners[cell][1], owners[cell][2])
    end
  end
  host.remember_function(fn)
  return at
end

-- Read the records of a message; returns the position of the values after them.
local function read_records()
  local at = 1
  local metatables, errors = {}, {}
  while true do
    local kind = sub(message, at, at)
    if kind == "." then
      break
    end
    local number = unpack_from("<I4", message, at + 1)
    at = at + 5
    if kind == "f" then
      local code
      code, at = unpack_from("<s4", message, at)
      objects[number] = assert(load(code, "=?", "b", G))
    elseif kind == "b" then
      local name
      name, at = unpack_from("<s4", message, at)
      objects[number] = host.builtin(name) or host.stub(name, "a builtin")
    elseif kind == "h" then
      local class, id
      class, id, at = unpack_from("<s4I4", message, at)
      objects[number] = host.handle(class, id)
    elseif kind == "x" then
      local path, kind_name
      path, kind_name, at = unpack_from("<s4s4", message, at)
      objects[number] = host.stub(path, kind_name)
    elseif kind == "u" then
      at = read_function(number, at)
    else
      local t = object(number)
      if is_unfilled(t) then
        mark_filled(t)
      end
      local contents
      at, contents = read_pairs(t, at)
      host.remember_table(t, contents)
      if kind == "e" then
        errors[#errors + 1] = t
      elseif kind == "t" then
        metatables[t], at = read(at)
      end
    end
  end
  for i = 1, #errors do -- after all records, because errors refer to their causes
    host.make_error(errors[i])
    host.remember_metatable(errors[i])
  end
  host.set_metatables(metatables)
  for t, metatable in next, metatables do
    host.remember_metatable(t)
    host.remember_metatable(metatable)
  end
  return at + 1
end

local function ask(...)
  local answer = host.ask(...)
  if not answer then
    error("not enough memory", 0)
  end
  return answer
end

-- Fetch the table `t`, or its field `key`; returns the position of the value in the message.
local function fetch(t, ...)
  message = ask("borrow", numbers[t], more, ...)
  local at = read_records()
  if not is_unfilled(t) then
    more = more < MAX_MORE and more * 2 or MAX_MORE
    host.ask("borrowed")
  end
  return at
end

local function fill(t)
  fetch(t)
  message = nil
end

local borrower = {}

-- Fill a table; returns false if it is not an unfilled table of the run.
function borrower.fill(t)
  if not is_unfilled(t) then
    return false
  end
  fill(t)
  return true
end

-- Return true and the value of a field; false if `t` is not an unfilled table of the run (any more).
function borrower.index(t, key)
  if not is_unfilled(t) then
    return false
  end
  local known, kind = fields[t], type(key)
  local value
  if known then
    value = known[key]
    if value ~= nil then
      if rawequal(value, ABSENT) then
        value = nil
      end
      return true, value
    end
  end
  local is_plain = kind == "string" or kind == "number" and key == key or kind == "boolean"
  if not is_plain or (counts[t] or 0) >= MAX_FIELDS then
    fill(t)
    return false
  end
  local at = fetch(t, key)
  if not is_unfilled(t) then
    message = nil
    return false
  end
  value = read(at)
  message = nil
  known = known or {}
  fields[t], counts[t] = known, (counts[t] or 0) + 1
  known[key] = value == nil and ABSENT or value
  return true, value
end

-- Return the length of an unfilled table of the run; nil for other tables.
function borrower.length(t)
  if is_unfilled(t) then
    lengths[t] = lengths[t] or ask("borrow_length", numbers[t])
    return lengths[t]
  end
end

-- Fill a table and all tables in it, recursively.
function borrower.fill_all(value)
  local stack, seen = { value }, {}
  while #stack > 0 do
    local t = stack[#stack]
    stack[#stack] = nil
    if type(t) == "table" and not seen[t] and not host.is_handle(t) then
      seen[t] = true
      if rawequal(getmetatable(t), LAZY) then
        host.load_lazy(t)
      end
      for _, item in next, t do
        if type(item) == "table" then
          stack[#stack + 1] = item
        end
      end
    end
  end
end

-- Read the message of `host.begin_lending` with `count` functions; returns their ids.
function host.borrow(first_message, count)
  host.borrower = borrower
  message = first_message
  local at = read_records()
  local ids = {}
  for i = 1, count do
    local fn
    fn, at = read(at)
    ids[i] = host.hold(fn)
  end
  at = read_pairs(G, at)
  at = read_pairs(host.loaded, at)
  local libraries
  libraries, at = unpack_from("<I4", message, at)
  for _ = 1, libraries do
    local name
    name, at = unpack_from("<s4", message, at)
    host.load_lazy(G[name])
    at = read_pairs(G[name], at)
  end
  local metatable
  metatable, at = read(at)
  if metatable ~= nil then
    if is_unfilled(metatable) then
      fill(metatable)
      message = first_message
    end
    host.set_metatables({ [G] = metatable })
  end
  read_pairs(getmetatable(""), at)
  message = nil
  local globals = {}
  for name, value in next, G do
    globals[name] = value
  end
  host.remember_table(G, globals)
  host.remember_metatable(G)
  return unpack(ids, 1, count)
end
