-- Binding: a builtin's declaration becomes a Lua function that checks its arguments, calls Python with plain
-- values, and turns the outcome into results, an error or a wait.
--
-- An outcome is a tag and what follows it:
--   "v" values…              results as they are
--   "t" text, sides…         one result, as wire
--   "m" text, sides…         several results, as a wire array
--   "j" texts…               results, each as JSON, or "=" and the bytes of a string
--   "s" count, …             a table of strings and tables of strings: its fields, and then each inner table as its
--                            name, its count and its fields
--   "h" class, id            a handle
--   "k" task id              the results of a task that has ended, as an array, or its error
--   "r" task id              the results of a task that has ended, or its error
--   "w" operation id         not done yet: wait for it
--   "e" message              an error text, told at the caller's line
--   "f" origin, text, sides… an error object, as wire, and the id of the exception behind it (or 0)
local host = ...

local getinfo = debug.getinfo
local isyieldable = coroutine.isyieldable
local match = string.match
local mathtype = math.type
local select, type = select, type
local sub = string.sub
local concat, unpack = table.concat, table.unpack

-- Raise an error text at the line of the script that called the builtin, whatever private code lies between.
local function raise(message)
  local level = 2
  local info = getinfo(level, "S")
  while info and host.is_private(info) do
    level = level + 1
    info = getinfo(level, "S")
  end
  error(message, level)
end

host.raise = raise

-- Handles: tables that stand for a Python object. The id is kept where no script can reach it.

local handle_ids = setmetatable({}, { __mode = "k" })
local handle_classes = setmetatable({}, { __mode = "k" })
local classes = {} -- name -> metatable

-- The ids of collected handles wait here for Python, which a finalizer must not call.
local released = {}

local function release(handle)
  released[#released + 1] = handle_ids[handle]
end

local guard_metatable = {
  __gc = function(guard)
    released[#released + 1] = guard.id
  end,
}

-- A table that keeps Python's object `id` as long as it lives itself.
function host.guard(id)
  return setmetatable({ id = id }, guard_metatable)
end

host.released = released

function host.tell_released()
  for i = #released, 1, -1 do
    host.let_go(released[i])
    released[i] = nil
  end
end

-- The class of a handle, or nil.
function host.is_handle(v)
  return handle_classes[v]
end

-- Let a table that stands for something else be told like a handle, and never be taken for data.
function host.set_class(v, class)
  handle_classes[v] = class
end

-- `call` is what a call of a handle does, if anything; `fields` are the methods that the script sees as fields. A handle
-- of a class with an `owner` is a field of a handle of that class, and is called like a method of it.
function host.define_class(name, methods, call, fields, owner)
  if call and owner then
    local bound = call
    function call(handle, first, ...)
      if handle_classes[first] ~= owner then
        raise(host.names[bound] .. ": to be called with a colon, as a method of " .. owner)
      end
      return bound(handle, ...)
    end
  end
  local index = methods
  if fields then
    function index(handle, key)
      local method = methods[key]
      if method and fields[key] then
        return method(handle)
      end
      return method
    end
  end
  classes[name] = { __name = name, __index = index, __call = call, __metatable = false, __gc = release }
  classes[name].__tostring = function()
    return name
  end
end

function host.handle(class, id)
  if not classes[class] then -- of a library that the script has not used so far: "ws.Connection"
    host.fill({}, match(class, "^[^.]+"))
  end
  local handle = {}
  handle_ids[handle], handle_classes[handle] = id, class
  return setmetatable(handle, classes[class])
end

-- Functions that Python holds, by id.

local functions, function_ids, last_function = {}, {}, 0

function host.hold(fn)
  local id = function_ids[fn]
  if not id then
    last_function = last_function + 1
    id = last_function
    functions[id], function_ids[fn] = { fn = fn, count = 0 }, id
  end
  functions[id].count = functions[id].count + 1
  return id
end

function host.held(id)
  return functions[id].fn
end

function host.unhold(id, count)
  local entry = functions[id]
  entry.count = entry.count - count
  if entry.count <= 0 then
    functions[id], function_ids[entry.fn] = nil, nil
  end
end

-- Outcomes -----------------------------------------------------------------------------------------

local function join(ok, ...)
  if ok then
    return { ... }
  end
  error((...), 0)
end

local function reraise(ok, ...)
  if ok then
    return ...
  end
  error((...), 0)
end

local function many(text, ...)
  local results = host.decode(text, { ... })
  local count = #results
  for i = 1, count do
    if results[i] == host.null then
      results[i] = nil
    end
  end
  return unpack(results, 1, count)
end

local function each(text, ...)
  if text == nil then
    return
  end
  local value, problem = host.decode_value(text)
  if problem then
    error(problem, 0)
  elseif value == host.null then
    value = nil
  end
  if select("#", ...) == 0 then
    return value
  end
  return value, each(...)
end

local function fields(parts, from, count)
  local out = {}
  for i = from, from + 2 * count - 1, 2 do
    out[parts[i]] = parts[i + 1]
  end
  return out, from + 2 * count
end

local function record(...)
  local parts = { ... }
  local out, position = fields(parts, 2, parts[1])
  while parts[position] do
    local name, inner = parts[position], nil
    inner, position = fields(parts, position + 2, parts[position + 1])
    out[name] = inner
  end
  return out
end

local function finish(name, tag, ...)
  if tag == "v" then
    return ...
  elseif tag == "w" then
    if not isyieldable() then
      host.cancel(...)
      raise(name .. ": " .. host.CANNOT_WAIT)
    end
    return finish(name, host.wait(...))
  elseif tag == "t" then
    local text = ...
    return (host.decode(text, { select(2, ...) }))
  elseif tag == "j" then
    return each(...)
  elseif tag == "s" then
    return record(...)
  elseif tag == "h" then
    return host.handle(...)
  elseif tag == "m" then
    return many(...)
  elseif tag == "k" then
    return join(host.outcome(...))
  elseif tag == "r" then
    return reraise(host.outcome(...))
  elseif tag == "f" then
    local origin, text = ...
    error(host.make_error(host.decode(text, { select(3, ...) }), origin), 0)
  end
  raise((...))
end

host.finish = finish

-- Arguments ----------------------------------------------------------------------------------------

local function bad(name, parameter, expected, got)
  local hint = parameter == "self" and "; methods are called with a colon" or ""
  raise(name .. ": bad argument '" .. parameter .. "' (" .. expected .. " expected, got " .. got .. hint .. ")")
end

-- kind -> function(value) returning the value to pass (never nil), or nil when it does not fit
local fits = {
  string = function(v)
    return type(v) == "string" and v or mathtype(v) and tostring(v) or nil
  end,
  integer = function(v)
    return mathtype(v) and math.tointeger(v)
  end,
  number = function(v)
    return mathtype(v) and v or nil
  end,
}

-- The ids of an array of handles, as text.
local function handle_list(name, parameter, class, v)
  local ids = {}
  for i = 1, #v do
    if host.is_handle(v[i]) ~= class then
      raise(
        name
          .. ": bad argument '"
          .. parameter
          .. "', item "
          .. i
          .. " ("
          .. class
          .. " expected, got "
          .. host.describe(v[i])
          .. ")"
      )
    end
    ids[i] = handle_ids[v[i]]
  end
  return concat(ids, " ")
end

local EXPECTED = { any = "value", text = "string or table", options = "table", body = "string or table" }

-- parameters: array of {name, kind, optional}. Returns the arguments for Python: one each, then side strings.
local function collect(name, parameters, count, ...)
  local out, sides = {}, 0
  local given = { ... }
  for i = 1, count do
    local parameter = parameters[i]
    local kind, v = parameter[2], given[i]
    if kind == "rest" then
      v = { unpack(given, i, select("#", ...)) }
      setmetatable(v, host.array_metatable)
      kind = "table"
    end
    local t = type(v)
    if v == nil then
      if not parameter[3] then
        bad(name, parameter[1], EXPECTED[kind] or kind, "nil")
      end
      out[i] = nil
    elseif kind == t and t ~= "table" and t ~= "function" and t ~= "string" then
      out[i] = v
    elseif t == "string" and kind == "string" then
      out[i] = v
    elseif t == "function" and (kind == "function" or kind == "callback") then
      out[i] = host.hold(v)
    elseif kind == "body" and t == "string" then
      out[i] = "=" .. v
    elseif kind == "json" or (kind == "body" and t == "table") then
      local text, problem = host.encode_value(v)
      if not text then
        raise(name .. ": bad argument '" .. parameter[1] .. "' (JSON cannot carry " .. problem .. ")")
      end
      out[i] = text
    elseif
      (kind == "any" or kind == "table" or kind == "options" or kind == "text")
      and t == "table"
      and not host.is_handle(v)
    then
      local text, extra = host.encode(v, "call")
      if not text then
        raise(name .. ": bad argument '" .. parameter[1] .. "' (cannot carry " .. extra .. ")")
      end
      -- The text says which of the call's side strings it means, counted from its own first.
      out[i] = sides .. ":" .. text
      for j = 1, #extra do
        sides = sides + 1
        out[count + sides] = extra[j]
      end
    elseif kind == "any" and (t == "string" or t == "number" or t == "boolean") then
      out[i] = t == "string" and "=" .. v or v
    elseif kind == "text" and t == "string" then
      out[i] = "=" .. v
    elseif host.is_handle(v) == kind then
      out[i] = handle_ids[v]
    elseif t == "table" and sub(kind, -2) == "[]" and not host.is_handle(v) then
      out[i] = handle_list(name, parameter[1], sub(kind, 1, -3), v)
    else
      local fit = fits[kind]
      local value = fit and fit(v)
      if value == nil then
        bad(name, parameter[1], EXPECTED[kind] or kind, host.describe(v))
      end
      out[i] = value
    end
  end
  return unpack(out, 1, count + sides)
end

-- A Lua function for a Python callable. `parameters` as in `collect`.
function host.bind(name, parameters, call)
  local count = #parameters
  return function(...)
    return finish(name, call(collect(name, parameters, count, ...)))
  end
end
