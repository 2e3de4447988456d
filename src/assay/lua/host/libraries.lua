-- Libraries of builtins, loaded on first use, and callable handles and handles with fields.
local host = ...

local G = host.globals
local byte = string.byte
local debug_setmetatable = debug.setmetatable -- works on protected metatables
local rawset, select = rawset, select

-- Return the function of library `name` that `item` declares. A lazy one gets its description on the first call.
local function bind(name, item)
  if not item.lazy then
    return host.bind(item.index, item.title, item.parameters)
  end
  local bound
  return function(...)
    bound = bound or host.method(name, item.name)
    return bound(...)
  end
end

-- Put the functions of library `name` into `target`; returns the function that a call of the library itself runs.
local function fill(target, name)
  local tag, text = host.ask("load_library", name)
  if tag == "e" then
    error(text, 0)
  end
  local declared = host.decode(text, {})
  local internal = {} -- functions that begin with _ are for the library's own Lua file
  for i = 1, #declared.functions do
    local item = declared.functions[i]
    if (item.index or item.lazy) and byte(item.name) == 95 then
      internal[item.name] = bind(name, item)
    end
  end
  local native = declared.lua and assert(load(declared.lua, "=[assay]", "t", _ENV))(host, internal) or {}
  local entry
  for i = 1, #declared.functions do
    local item = declared.functions[i]
    if not internal[item.name] then
      local fn = native[item.name] or bind(name, item)
      host.names[fn] = item.title
      if item.call then
        entry = fn
      else
        target[item.name] = fn
      end
    end
  end
  for constant, value in pairs(native.constants or {}) do
    target[constant], host.names[value] = value, host.names[value] or name .. "." .. constant
  end
  return entry
end

host.fill = fill

-- Turn the lazy table of a library into its plain table.
function host.load_library(target, name)
  debug_setmetatable(target, nil)
  local entry = fill(target, name)
  if entry then
    debug_setmetatable(target, {
      __call = function(_, ...)
        return entry(...)
      end,
      __metatable = false,
    })
  end
end

function host.library(name)
  return host.lazy({}, name)
end

function host.set_global(name, value)
  rawset(G, name, value)
end

local entries = {} -- library that is a function -> that function

function host.entry(name)
  entries[name] = entries[name] or fill({}, name)
  return entries[name]
end

-- Add call and field support to a class metatable. `callable`: handles can be called. `owner`: class that has the
-- handles as fields; they are then called with a colon, like its methods. `...`: names of the methods that are fields.
function host.extend_class(metatable, callable, owner, ...)
  local name, methods = metatable.__name, metatable.__index
  local call = callable and host.method(name, "__call__")
  if call and owner then
    function metatable.__call(handle, first, ...)
      if host.is_handle(first) ~= owner then
        host.raise(host.names[call] .. ": must be called with a colon, as a method of " .. owner)
      end
      return call(handle, ...)
    end
  elseif call then
    metatable.__call = call
  end
  local fields = {}
  for i = 1, select("#", ...) do
    fields[select(i, ...)] = true
  end
  if ... then
    function metatable.__index(handle, key)
      local method = methods[key]
      if method and fields[key] then
        return method(handle)
      end
      return method
    end
  end
end
