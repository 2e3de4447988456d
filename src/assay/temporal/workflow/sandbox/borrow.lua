-- In the copy of a run in which readers run: what is in the run's tables is fetched when it is first looked at
-- (`lend.lua`). Until then a table is empty and has the metatable of libraries that are not loaded.
local host = ...

local unpack_from, sub = string.unpack, string.sub
local getmetatable, next, rawequal, rawset, setmetatable, type =
  debug.getmetatable, next, rawequal, rawset, debug.setmetatable, type
local setupvalue, upvaluejoin = debug.setupvalue, debug.upvaluejoin
local unpack = table.unpack

local G, LAZY = host.globals, host.LAZY

local MAX_FIELDS = 32 -- of one table that are fetched one by one
local MAX_MORE = 4096 -- tables that come along with one

local objects = {} -- number -> object
local numbers = {} -- table that is still to be filled -> number
local owners = {} -- cell -> {function, upvalue index} that has it
local fields = {} -- table that is still to be filled -> fields of it that are known: key -> value, or ABSENT
local counts = {} -- the same -> how many
local lengths = {} -- the same -> its length
local more = 1 -- tables that come along with the next one

local ABSENT = {}

local text -- the message that is read

local function object(number)
  local found = objects[number]
  if found == nil then
    found = setmetatable({}, LAZY)
    objects[number], numbers[found] = found, number
  end
  return found
end

local function read(at)
  local tag = sub(text, at, at)
  if tag == "R" then
    return object((unpack_from("<I4", text, at + 1))), at + 5
  elseif tag == "S" then
    return unpack_from("<s4", text, at + 1)
  elseif tag == "I" then
    return unpack_from("<i8", text, at + 1)
  elseif tag == "D" then
    return unpack_from("<d", text, at + 1)
  elseif tag == "G" then
    return G, at + 1
  elseif tag == "N" then
    return nil, at + 1
  end
  return tag == "T", at + 1
end

-- Put the entries that a message has at `at` into `target`, and into a table of their own.
local function read_pairs(target, at)
  local count
  count, at = unpack_from("<I4", text, at)
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

local function settle(t)
  numbers[t] = nil
  if fields[t] or lengths[t] then
    fields[t], counts[t], lengths[t] = nil, nil, nil
  end
  setmetatable(t, nil)
end

local function read_function(number, at)
  local fn = objects[number]
  local count
  count, at = unpack_from("<I4", text, at)
  for i = 1, count do
    local cell = unpack_from("<I4", text, at)
    local is_new = sub(text, at + 4, at + 4) == "+"
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

-- Read the records of a message; returns where its values begin.
local function read_records()
  local at = 1
  local metatables, errors = {}, {}
  while true do
    local kind = sub(text, at, at)
    if kind == "." then
      break
    end
    local number = unpack_from("<I4", text, at + 1)
    at = at + 5
    if kind == "f" then
      local code
      code, at = unpack_from("<s4", text, at)
      objects[number] = assert(load(code, "=?", "b", G))
    elseif kind == "b" then
      local name
      name, at = unpack_from("<s4", text, at)
      objects[number] = host.builtin(name) or host.stub(name, "a builtin")
    elseif kind == "h" then
      local class, id
      class, id, at = unpack_from("<s4I4", text, at)
      objects[number] = host.handle(class, id)
    elseif kind == "x" then
      local path, what
      path, what, at = unpack_from("<s4s4", text, at)
      objects[number] = host.stub(path, what)
    elseif kind == "u" then
      at = read_function(number, at)
    else
      local t = object(number)
      if is_unfilled(t) then
        settle(t)
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
  for i = 1, #errors do -- now that their causes are there
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

-- Read what the run says of the table `t`, or of its field `key`; returns where the value is.
local function fetch(t, ...)
  text = ask("borrow", numbers[t], more, ...)
  local at = read_records()
  if not is_unfilled(t) then
    more = more < MAX_MORE and more * 2 or MAX_MORE
    host.ask("borrowed")
  end
  return at
end

local function fill(t)
  fetch(t)
  text = nil
end

local borrower = {}

-- Fill a table; false when it is none of the run's.
function borrower.fill(t)
  if not is_unfilled(t) then
    return false
  end
  fill(t)
  return true
end

-- The value of a field of the run's table `t`, after true; false when it is none, or is filled now.
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
    text = nil
    return false
  end
  value = read(at)
  text = nil
  known = known or {}
  fields[t], counts[t] = known, (counts[t] or 0) + 1
  known[key] = value == nil and ABSENT or value
  return true, value
end

-- The length of the run's table `t`; nil when it is none of the run's.
function borrower.length(t)
  if is_unfilled(t) then
    lengths[t] = lengths[t] or ask("borrow_length", numbers[t])
    return lengths[t]
  end
end

-- Fill a value with all that is in it.
function borrower.fill_all(value)
  local left, seen = { value }, {}
  while #left > 0 do
    local t = left[#left]
    left[#left] = nil
    if type(t) == "table" and not seen[t] and not host.is_handle(t) then
      seen[t] = true
      if rawequal(getmetatable(t), LAZY) then
        host.load_lazy(t)
      end
      for _, item in next, t do
        if type(item) == "table" then
          left[#left + 1] = item
        end
      end
    end
  end
end

-- Take a message of `host.begin_lending` with `count` functions; returns their ids.
function host.borrow(message, count)
  host.borrower = borrower
  text = message
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
  libraries, at = unpack_from("<I4", text, at)
  for _ = 1, libraries do
    local name
    name, at = unpack_from("<s4", text, at)
    host.load_lazy(G[name])
    at = read_pairs(G[name], at)
  end
  local metatable
  metatable, at = read(at)
  if metatable ~= nil then
    if is_unfilled(metatable) then
      fill(metatable)
      text = message
    end
    host.set_metatables({ [G] = metatable })
  end
  read_pairs(getmetatable(""), at)
  text = nil
  local globals = {}
  for name, value in next, G do
    globals[name] = value
  end
  host.remember_table(G, globals)
  host.remember_metatable(G)
  return unpack(ids, 1, count)
end
