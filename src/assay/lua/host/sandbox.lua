-- The globals of a script: Lua's own library without its ways out, and the builtins, each loaded at first use.
local host = ...

local G = host.globals
local setmetatable = debug.setmetatable -- works on protected metatables
local type = type

for _, name in ipairs({ "io", "debug", "load", "loadfile", "dofile", "package", "python" }) do
  G[name] = nil
end
G.string.dump = nil
for _, name in ipairs({ "execute", "exit", "remove", "rename", "tmpname", "setlocale" }) do
  G.os[name] = nil
end

host.tostring = tostring

-- Names: which builtin a function or table is, so that another state can map it to its own. What is still Lua's own is
-- left out: `snapshot.lua` knows it.

host.names = setmetatable({}, host.WEAK_KEYS)

host.loaded = {} -- name -> module
host.LIBRARIES = { "coroutine", "math", "os", "string", "table", "utf8" } -- Lua's own
for _, name in ipairs(host.LIBRARIES) do
  host.names[G[name]], host.loaded[name] = name, G[name]
end
host.names[host.null] = "json.null"
host.names[host.array_metatable] = "json.array_metatable"
G.package = { loaded = host.loaded }
host.names[G.package] = "package"

-- Functions that stand for one of `host`, which is loaded when it is first called. In the place of Lua's own they have
-- the name that these have.

local function late(name)
  return function(...)
    return host[name](...)
  end
end

function host.replace(library, ...)
  local target, prefix = library and G[library] or G, library and library .. "." or ""
  for _, name in ipairs({ ... }) do
    local fn = late(prefix .. name)
    target[name], host.names[fn] = fn, prefix .. name
  end
end

host.replace("coroutine", "close", "create", "isyieldable", "resume", "running", "status", "wrap", "yield")
host.replace(nil, "print", "require")

-- Builtins -----------------------------------------------------------------------------------------

-- Of a table that becomes the one of its library at its first use.
local LAZY = {
  __metatable = false,
  __call = late("lazy_call"),
  __index = late("lazy_index"),
  __newindex = late("lazy_newindex"),
  __pairs = late("lazy_pairs"),
}

host.LAZY = LAZY

-- Make `target` load library `name` at its first use, and be the plain table of it from then on.
function host.lazy(target, name)
  host.names[target] = name
  return setmetatable(target, LAZY)
end

-- A global function that loads its library at its first call.
local function late_function(name)
  return function(...)
    return host.entry(name)(...)
  end
end

-- Add builtins to the globals: each a name, and whether it is a function or else a table (an existing one is extended).
function host.add_globals(name, is_function, ...)
  if is_function then
    G[name] = late_function(name)
    host.names[G[name]] = name
  else
    G[name] = host.lazy(type(G[name]) == "table" and G[name] or {}, name)
  end
  if ... then
    return host.add_globals(...)
  end
end
