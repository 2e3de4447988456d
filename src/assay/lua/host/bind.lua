-- Binding: turns the declaration of a builtin into a Lua function that checks its arguments, calls Python with plain
-- values, and converts the outcome into results, an error or a wait. The common cases are here, the others in
-- `arguments.lua` and `outcomes.lua`.
--
-- An outcome is a tag and values:
--   "v" values…                     results, unchanged
--   "t" text, attachments…          one result, as wire
--   "m" text, attachments…          several results, as a wire array
--   "j" texts…                      results, each as JSON, or "=" and the bytes of a string
--   "s" count, …                    a record: the number of its fields, their keys and values, and for each inner table
--                                   its name and the same
--   "h" class, id                   a handle
--   "k" task id                     the results of an ended task as an array, or its error
--   "r" task id                     the results of an ended task, or its error
--   "w" operation id                a pending operation to wait for
--   "e" message                     an error message, raised with the caller's position
--   "f" origin, text, attachments…  an error object, as wire, and the id of the Python exception behind it (or 0)
local host = ...

local isyieldable = coroutine.isyieldable
local raw_yield = coroutine.yield
local byte = string.byte
local rawget, select, setmetatable, type = rawget, select, setmetatable, type
local unpack = table.unpack

local WAIT = host.WAIT

-- Names of builtins, by function or table, with which another state finds its own. `snapshot.lua` adds the names of
-- standard functions.
host.names = setmetatable({}, host.WEAK_KEYS)

-- Handles: tables that represent Python objects. Their ids are not accessible to scripts.

local handle_ids = setmetatable({}, host.WEAK_KEYS)
local handle_classes = setmetatable({}, host.WEAK_KEYS)
local classes = {} -- name -> metatable

-- Ids of collected handles, reported to Python later, because a finalizer must not call Python.
local released = {}

local function release(handle)
  released[#released + 1] = handle_ids[handle]
end

host.handle_ids, host.handle_classes, host.released = handle_ids, handle_classes, released

function host.report_released()
  for i = #released, 1, -1 do
    host.ask("release_handle", released[i])
    released[i] = nil
  end
end

-- Return the class of a handle, or nil for other values.
function host.is_handle(v)
  return handle_classes[v]
end

-- Define a class as Python describes it: whether its handles are callable, the class that has them as fields, and the
-- methods that are fields.
local function define_class(name, callable, owner, ...)
  local metatable = { __name = name, __index = host.methods(name), __metatable = false, __gc = release }
  metatable.__tostring = host.is_handle
  if callable or ... then
    host.extend_class(metatable, callable, owner, ...)
  end
  classes[name] = metatable
  return metatable
end

function host.handle(class, id)
  local metatable = classes[class] or define_class(class, host.ask("describe_class", class))
  local handle = setmetatable({}, metatable)
  handle_ids[handle], handle_classes[handle] = id, class
  if host.number_of then
    host.number_of(handle)
  end
  return handle
end

-- Functions that Python references, by id.

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

function host.release_function(id, count)
  local entry = functions[id]
  entry.count = entry.count - count
  if entry.count <= 0 then
    functions[id], function_ids[entry.fn] = nil, nil
  end
end

-- Outcomes and arguments -------------------------------------------------------------------------------

local function finish(name, tag, ...)
  if tag == "v" then
    return ...
  elseif tag == "w" and isyieldable() then
    return finish(name, raw_yield(WAIT, ...))
  elseif tag == "h" then
    return host.handle(...)
  end
  return host.finish_other(name, tag, ...)
end

host.finish = finish

-- Return the arguments for Python, followed by attachments. `parameters` has three items for each parameter: name,
-- kind, and whether it is optional.
local function collect(name, parameters, ...)
  local out, given, count, attachments = {}, { ... }, #parameters // 3, 0
  for i = 1, count do
    local kind, v = parameters[3 * i - 1], given[i]
    local t = type(v)
    if t == kind and (t == "string" or t == "number" or t == "boolean") then
      out[i] = v
    elseif t == "table" and handle_classes[v] == kind then
      out[i] = handle_ids[v]
    elseif t == "function" and (kind == "function" or kind == "callback") then
      out[i] = host.hold(v)
    elseif t ~= "nil" or kind == "rest" or not parameters[3 * i] then
      if kind == "rest" then
        v = { unpack(given, i, select("#", ...)) }
      end
      out[i], attachments = host.convert_argument(name, parameters[3 * i - 2], kind, v, out, count, attachments)
    end
  end
  return unpack(out, 1, count + attachments)
end

-- Return the Lua function of the builtin `index`.
function host.bind(index, name, parameters)
  local function bound(...)
    return finish(name, host.call(index, collect(name, parameters, ...)))
  end
  host.names[bound] = name
  return bound
end

-- Return a method from its description, or nil if it is empty. A native method is a field of `host`, by its title.
local function bind_method(index, title, ...)
  if index then
    return host.bind(index, title, { ... })
  elseif title then
    host.names[host[title]] = title
    return host[title]
  end
end

function host.method(class, name)
  return bind_method(host.ask("describe_method", class, name))
end

-- Return a table of the methods of a class, each bound on first use. Names that begin with _ are for private Lua code.
function host.methods(class)
  return setmetatable({}, {
    __index = function(methods, name)
      if type(name) == "string" and byte(name) ~= 95 then
        methods[name] = host.method(class, name)
        return rawget(methods, name)
      end
    end,
  })
end
