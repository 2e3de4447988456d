-- The globals of a script: Lua's own library without its ways out, and the builtins, each loaded at first use.
local host = ...

local G = host.globals
local raw_traceback = debug.traceback
local byte, find, gmatch = string.byte, string.find, string.gmatch
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

-- Names: which builtin a function or table is, so that another state can map it to its own.

host.names = setmetatable({}, { __mode = "k" })

for name, value in pairs(G) do
  host.names[value] = name
  if type(value) == "table" and value ~= G then
    for key, item in pairs(value) do
      if type(item) == "function" then
        host.names[item] = name .. "." .. key
      end
    end
  end
end
host.names[host.null] = "json.null"
host.names[host.array_metatable] = "json.array_metatable"

-- Builtins -----------------------------------------------------------------------------------------

local function bound(item, name)
  local index = item.index
  local fn = host.bind(name, item.parameters, function(...)
    return host.call(index, ...)
  end)
  host.names[fn] = name
  return fn
end

-- Put the functions of library `name` into `target`; returns what a call of the library itself does.
local function fill(target, name)
  local tag, text = host.load_library(name)
  if tag == "e" then
    error(text, 0)
  end
  local declared = host.decode(text, {})
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
    local class = declared.classes[i]
    local methods = {}
    for j = 1, #class.methods do
      local item = class.methods[j]
      methods[item.name] = bound(item, item.title)
    end
    host.define_class(class.name, methods, class.owner)
  end
  return entry
end

host.fill = fill

-- Make `target` load library `name` at its first use, and be the plain table of it from then on.
local function lazy(target, name)
  local function load_now()
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
  host.names[target] = name
  return setmetatable(target, {
    __metatable = false,
    __index = function(_, key)
      load_now()
      return target[key]
    end,
    __newindex = function(_, key, value)
      load_now()
      target[key] = value
    end,
    __pairs = function()
      load_now()
      return pairs(target)
    end,
    __call = function(_, ...)
      load_now()
      return target(...)
    end,
  })
end

function host.library(name)
  return lazy({}, name)
end

function host.set_global(name, value)
  rawset(G, name, value)
end

-- Add builtin `name` to the globals: a function when `is_function`, else a table (an existing one is extended).
function host.add_global(name, is_function)
  if not is_function then
    G[name] = lazy(type(G[name]) == "table" and G[name] or {}, name)
    return
  end
  local entry
  G[name] = function(...)
    entry = entry or fill({}, name)
    return entry(...)
  end
  host.names[G[name]] = name
end
