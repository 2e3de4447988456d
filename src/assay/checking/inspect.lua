-- Describes functions of a script: where they are, and what they capture.
local host = ...

local getinfo, getlocal, getupvalue = debug.getinfo, debug.getlocal, debug.getupvalue
local concat, rawget, type = table.concat, rawget, type

local MAX_DEPTH = 3 -- tables in tables that are looked into

-- What a captured value is: "function" (with its id), "table", "builtin" (with its name), or what a workflow cannot have.
local function kind_of(value, depth)
  local kind = type(value)
  if host.names[value] then
    return { "builtin", host.names[value] }
  elseif kind == "function" then
    return getinfo(value, "S").what == "C" and { "foreign", "a C function" } or { "function", host.hold(value) }
  elseif kind == "thread" or kind == "userdata" then
    return { "foreign", kind == "thread" and "a coroutine" or "userdata" }
  elseif kind == "table" and host.is_handle(value) then
    return { "foreign", host.describe(value) }
  elseif kind == "table" and not host.is_error(value) then
    local fields = {}
    for key, item in next, value do
      local is_listed = type(item) == "function" or type(item) == "thread" or host.is_handle(item)
      if type(key) == "string" and (is_listed or type(item) == "table" and depth < MAX_DEPTH) then
        fields[key] = kind_of(item, depth + 1)
      end
    end
    return { "table", fields }
  end
  return { "plain" }
end

-- The held function `id`: its file, its first and last line, its parameters, and its upvalues by name.
function host.inspect(id)
  local fn = host.held(id)
  local info = getinfo(fn, "S")
  local captured, i = {}, 1
  local name, value = getupvalue(fn, i)
  while name do
    if name ~= "_ENV" then
      captured[name] = kind_of(value, 1)
    end
    i = i + 1
    name, value = getupvalue(fn, i)
  end
  local parameters = {}
  name, i = getlocal(fn, 1), 1
  while name do
    parameters[i] = name
    i = i + 1
    name = getlocal(fn, i)
  end
  local described = { info.source, info.linedefined, info.lastlinedefined, concat(parameters, " "), captured }
  return (host.encode(described, "wire"))
end

-- What global `name` is.
function host.inspect_global(name)
  local value = rawget(host.globals, name)
  return (host.encode(value == nil and { "absent" } or kind_of(value, 1), "wire"))
end

-- The names of all globals.
function host.inspect_globals()
  local found = {}
  for key in next, host.globals do
    found[#found + 1] = type(key) == "string" and key or nil
  end
  return concat(found, " ")
end

-- Whether a module is loaded.
function host.has_module(name)
  return host.loaded[name] ~= nil
end

-- The names in the table of a builtin or of one of Lua's own libraries; "" for anything else.
function host.inspect_library(name)
  local target, found = rawget(host.globals, name), {}
  if type(target) == "table" and host.names[target] == name then
    host.load_lazy(target)
    for key in next, target do
      found[#found + 1] = type(key) == "string" and key or nil
    end
  end
  return concat(found, " ")
end
