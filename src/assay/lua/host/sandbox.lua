-- The globals of a script: Lua's own library without its ways out, and the builtins, each loaded at first use. This is
-- run once, and gone when the globals are there.
local host = ...

local G = host.globals

for _, name in ipairs({ "io", "debug", "load", "loadfile", "dofile", "package", "python" }) do
  G[name] = nil
end

host.loaded = {} -- name -> module
host.LIBRARIES = { "coroutine", "math", "os", "string", "table", "utf8" } -- Lua's own
host.unfilled = {} -- those that a script has not used so far -> whether there is a builtin of the same name

host.names[host.null] = "json.null"
host.names[host.array_metatable] = "json.array_metatable"
G.package = { loaded = host.loaded, path = host.ask("module_path"), preload = {}, config = "/\n;\n?\n!\n-\n" }
host.names[G.package], host.names[host.loaded] = "package", "package.loaded"
host.names[G.package.preload] = "package.preload"
host.package = G.package
host.loaded._G, host.loaded.package = G, G.package
host.replace(G.package, "package.", "searchpath")

host.replace(G, "_G.", host.ask("replaced", "_G"))

local named = debug.getregistry()._LOADED -- what tracebacks know functions by
for _, name in ipairs(host.LIBRARIES) do
  G[name] = host.lazy({}, name)
  named[name] = G[name]
  host.loaded[name], host.unfilled[name] = G[name], false
end
getmetatable("").__index = G.string

-- A global function that loads its library at its first call.
local function lazy_function(name)
  return function(...)
    return host.entry(name)(...)
  end
end

-- Add builtins to the globals: each a name, and whether it is a function or else a table (one of Lua's is extended).
function host.add_globals(name, is_function, ...)
  if is_function then
    G[name] = lazy_function(name)
    host.names[G[name]] = name
  elseif host.unfilled[name] == false then
    host.unfilled[name] = true
  else
    G[name] = host.lazy({}, name)
  end
  if ... then
    return host.add_globals(...)
  end
  host.add_globals = nil
end
