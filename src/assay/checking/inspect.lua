-- Describes the functions and globals of a script for `assay check`.
local host = ...

local getinfo, getlocal, getupvalue = debug.getinfo, debug.getlocal, debug.getupvalue
local concat, rawget, type = table.concat, rawget, type

local MAX_DEPTH = 3 -- nesting of tables to describe

-- Return the kind of a value: "builtin" (with its name), "function" (with its id), "table" (with its fields), "foreign"
-- (with a description) for a value that workflows cannot use, or "plain".
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

-- Describe the held function `id`: its source, first and last line, parameters, and upvalues by name.
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

-- Describe the global `name`.
function host.inspect_global(name)
  local value = rawget(host.globals, name)
  return (host.encode(value == nil and { "absent" } or kind_of(value, 1), "wire"))
end

-- Return the names of all globals.
function host.inspect_globals()
  local names = {}
  for key in next, host.globals do
    names[#names + 1] = type(key) == "string" and key or nil
  end
  return concat(names, " ")
end

-- Return true if a module is loaded.
function host.has_module(name)
  return host.loaded[name] ~= nil
end

-- Return the names in a builtin or a standard Lua library; "" for anything else.
function host.inspect_library(name)
  local target, names = rawget(host.globals, name), {}
  if type(target) == "table" and host.names[target] == name then
    host.load_lazy(target)
    for key in next, target do
      names[#names + 1] = type(key) == "string" and key or nil
    end
  end
  return concat(names, " ")
end
