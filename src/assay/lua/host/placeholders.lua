-- Placeholders for functions and tables that are loaded on first use. This part keeps no state and may be loaded again.
local host = ...

local setmetatable = debug.setmetatable -- works on protected metatables

local function pass(...)
  return ...
end

-- Not a tail call, which would replace the frame that shows how the script calls the function.
local function placeholder(name)
  return function(...)
    return pass(host[name](...))
  end
end

-- Put placeholders for functions of `host` into `target`, a table of the globals. `prefix` is its name and a dot.
function host.replace(target, prefix, ...)
  for _, name in ipairs({ ... }) do
    local fn = placeholder(prefix .. name)
    target[name], host.names[fn] = fn, rawequal(target, host.globals) and name or prefix .. name
  end
end

-- Metatable of a lazy table, which becomes the table of its library on first use.
host.LAZY = rawget(host, "LAZY")
  or {
    __metatable = false,
    __call = placeholder("lazy_call"),
    __index = placeholder("lazy_index"),
    __len = placeholder("lazy_len"),
    __newindex = placeholder("lazy_newindex"),
    __pairs = placeholder("lazy_pairs"),
  }

-- Make `target` the lazy table of library `name`.
function host.lazy(target, name)
  host.names[target] = name
  return setmetatable(target, host.LAZY)
end
