-- The globals of a script: Lua's own library without its ways out, and the builtins, each loaded at first use.
local host = ...

local G = host.globals
local raw_traceback = debug.traceback
local byte, find, gmatch, match = string.byte, string.find, string.gmatch, string.match
local concat = table.concat
local isyieldable = coroutine.isyieldable
local setmetatable = debug.setmetatable -- works on protected metatables
local type = type

local TAIL_CALLS = "^%s*%(%.%.%.tail calls"

for _, name in ipairs({ "io", "debug", "load", "loadfile", "dofile", "package", "python", "require" }) do
  G[name] = nil
end
G.string.dump = nil
for _, name in ipairs({ "execute", "exit", "remove", "rename", "tmpname", "setlocale" }) do
  G.os[name] = nil
end
for name, fn in pairs(host.coroutine_library) do
  G.coroutine[name] = fn
end

-- The traceback of a coroutine without the host's own frames, and without the C functions that they call and the tail
-- calls that made them; "" when nothing else is left.
function host.traceback(co)
  local lines = {}
  local below_host, c_function = false, nil
  for line in gmatch(raw_traceback(co), "[^\n]+") do
    if find(line, "^%s*%[assay%]") or find(line, "^%s*%?:") then
      below_host, c_function = true, nil
    elseif not (below_host and find(line, TAIL_CALLS)) then
      lines[#lines + 1] = c_function
      below_host, c_function = false, nil
      if find(line, "^%s*%[C%]: in ") then
        c_function = line
      else
        lines[#lines + 1] = line
      end
    end
  end
  if find(lines[#lines], TAIL_CALLS) then
    lines[#lines] = nil
  end
  return #lines > 1 and concat(lines, "\n") or ""
end

host.tostring = tostring -- a workflow's state has one without addresses

function G.print(...)
  local out = { ... }
  local tostring = host.tostring
  for i = 1, select("#", ...) do
    out[i] = tostring(out[i])
  end
  local operation = host.write(concat(out, "\t") .. "\n")
  if operation and isyieldable() then
    host.wait(operation)
  end
end

-- Names: which builtin a function or table is, so that another state can map it to its own. What is still Lua's own is
-- left out: `snapshot.lua` knows it.

host.names = setmetatable({}, { __mode = "k" })

host.loaded = {} -- name -> module
host.LIBRARIES = { "coroutine", "math", "os", "string", "table", "utf8" } -- Lua's own
for _, name in ipairs(host.LIBRARIES) do
  host.names[G[name]], host.loaded[name] = name, G[name]
end
host.names[host.null] = "json.null"
host.names[host.array_metatable] = "json.array_metatable"
host.names[G.print] = "print"
for name, fn in pairs(host.coroutine_library) do
  host.names[fn] = "coroutine." .. name
end

-- Builtins -----------------------------------------------------------------------------------------

local function bound(item, name)
  local index = item.index
  local fn = host.bind(name, item.parameters, function(...)
    return host.call(index, ...)
  end)
  host.names[fn] = name
  return fn
end

-- The declaration of a library, or of a method as "class:method"; nil when there is no such method.
local function declaration(name)
  local tag, text = host.load_library(name)
  if tag == "e" then
    error(text, 0)
  end
  return text ~= "" and host.decode(text, {}) or nil
end

-- The method of a class; nil when there is no such method. One that is native is a function of `host` by its title.
function host.method(class, name)
  local item = declaration(class .. ":" .. name)
  if not item then
    return nil
  elseif item.index then
    return bound(item, item.title)
  end
  host.names[host[item.title]] = item.title
  return host[item.title]
end

-- The methods of a class, each bound when it is first used, what its call does, and which of them are fields. Methods
-- that begin with _ are for private Lua code.
local function methods_of(class)
  local methods = setmetatable({}, {
    __index = function(methods, name)
      if type(name) == "string" and byte(name) ~= 95 then
        methods[name] = host.method(class.name, name)
        return rawget(methods, name)
      end
    end,
  })
  local fields
  for i = 1, #(class.fields or {}) do
    fields = fields or {}
    fields[class.fields[i]] = true
  end
  return methods, class.callable and host.method(class.name, "__call__") or nil, fields
end

local declared_classes = {} -- name -> what its library says of it

-- Put the functions of library `name` into `target`; returns what a call of the library itself does.
local function fill(target, name)
  local declared = declaration(name)
  local internal = {} -- functions that begin with _ are for the library's own Lua file
  for i = 1, #declared.functions do
    local item = declared.functions[i]
    if item.index and byte(item.name) == 95 then
      internal[item.name] = bound(item, item.title)
    end
  end
  local native = declared.lua and assert(load(declared.lua, "=[assay]", "t", _ENV))(host, internal) or {}
  local entry
  for i = 1, #declared.functions do
    local item = declared.functions[i]
    if not internal[item.name] then
      local fn = native[item.name] or bound(item, item.title)
      host.names[fn] = item.title
      if item.call then
        entry = fn
      else
        target[item.name] = fn
      end
    end
  end
  for name, value in pairs(native.constants or {}) do
    target[name] = value
  end
  for i = 1, #declared.classes do
    declared_classes[declared.classes[i].name] = declared.classes[i]
  end
  return entry
end

host.fill = fill

-- Define a class, when the first handle of it comes.
function host.load_class(name)
  if not declared_classes[name] then -- of a library that the script has not used so far: "ws.Connection"
    fill({}, match(name, "^[^.]+"))
  end
  local class = declared_classes[name]
  local methods, call, fields = methods_of(class)
  host.define_class(name, methods, call, fields, class.owner)
end

local lazy_names = setmetatable({}, { __mode = "k" }) -- table -> the library that it becomes at its first use

-- Make a lazy table the plain table of its library.
local function load_now(target)
  local name = lazy_names[target]
  lazy_names[target] = nil
  setmetatable(target, nil)
  local entry = fill(target, name)
  if entry then
    setmetatable(target, {
      __call = function(_, ...)
        return entry(...)
      end,
      __metatable = false,
    })
  end
end

local lazy_metatable = {
  __metatable = false,
  __index = function(target, key)
    load_now(target)
    return target[key]
  end,
  __newindex = function(target, key, value)
    load_now(target)
    target[key] = value
  end,
  __pairs = function(target)
    load_now(target)
    return pairs(target)
  end,
  __call = function(target, ...)
    load_now(target)
    return target(...)
  end,
}

-- Make `target` load library `name` at its first use, and be the plain table of it from then on.
local function lazy(target, name)
  host.names[target], lazy_names[target] = name, name
  return setmetatable(target, lazy_metatable)
end

function host.library(name)
  return lazy({}, name)
end

function host.set_global(name, value)
  rawset(G, name, value)
end

-- A global function that loads its library at its first call.
local function late_function(name)
  local entry
  return function(...)
    entry = entry or fill({}, name)
    return entry(...)
  end
end

-- Add builtins to the globals: each a name, and whether it is a function or else a table (an existing one is extended).
function host.add_globals(name, is_function, ...)
  if is_function then
    G[name] = late_function(name)
    host.names[G[name]] = name
  else
    G[name] = lazy(type(G[name]) == "table" and G[name] or {}, name)
  end
  if ... then
    return host.add_globals(...)
  end
end

-- What other parts do, once it is needed -----------------------------------------------------------

host.later("modules", "load_chunk", "find_function", "set_arguments", "require")
host.later("snapshot", "snapshot")
host.later("restore", "restore")

G.package = { loaded = host.loaded }
host.names[G.package] = "package"

function G.require(name)
  return host.require(name)
end
host.names[G.require] = "require"
