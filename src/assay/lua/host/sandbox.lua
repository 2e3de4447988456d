-- The globals of a script: the standard libraries without unsafe functions, and the builtins, each loaded on first use.
-- Runs once per state and is then collected.
local host = ...

local G = host.globals

for _, name in ipairs({ "io", "debug", "load", "loadfile", "dofile", "package", "python" }) do
  G[name] = nil
end

host.loaded = {} -- name -> module
host.LIBRARIES = { "coroutine", "math", "os", "string", "table", "utf8" } -- standard libraries
host.unfilled = {} -- standard library that has not been used -> whether a builtin of the same name extends it

host.names[host.null] = "json.null"
host.names[host.array_metatable] = "json.array_metatable"
G.package = { loaded = host.loaded, path = host.ask("module_path"), preload = {}, config = "/\n;\n?\n!\n-\n" }
host.names[G.package], host.names[host.loaded] = "package", "package.loaded"
host.names[G.package.preload] = "package.preload"
host.package = G.package
host.loaded._G, host.loaded.package = G, G.package
host.replace(G.package, "package.", "searchpath")

host.replace(G, "_G.", host.ask("replaced", "_G"))

local named = debug.getregistry()._LOADED -- where tracebacks look up names of functions
for _, name in ipairs(host.LIBRARIES) do
  G[name] = host.lazy({}, name)
  named[name] = G[name]
  host.loaded[name], host.unfilled[name] = G[name], false
end
getmetatable("").__index = G.string

-- Return a function that loads the library `name`, which is a function, on its first call.
local function lazy_function(name)
  return function(...)
    return host.entry(name)(...)
  end
end

-- Add builtins to the globals: pairs of a name, and whether it is a function. A builtin that is a table may extend a
-- standard library.
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
