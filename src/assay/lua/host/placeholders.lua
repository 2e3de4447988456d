-- Functions and tables that represent what is loaded when it is first used. (It keeps nothing: a state may forget it.)
local host = ...

local setmetatable = debug.setmetatable -- works on protected metatables

local function pass(...)
  return ...
end

-- It is not a tail call, which would take away how the script calls the function.
local function placeholder(name)
  return function(...)
    return pass(host[name](...))
  end
end

-- Put functions of `host` into the table `target` of the globals, whose name with a dot is their `prefix`.
function host.replace(target, prefix, ...)
  for _, name in ipairs({ ... }) do
    local fn = placeholder(prefix .. name)
    target[name], host.names[fn] = fn, rawequal(target, host.globals) and name or prefix .. name
  end
end

-- The metatable of a table that becomes the one of its library at its first use.
host.LAZY = rawget(host, "LAZY")
  or {
    __metatable = false,
    __call = placeholder("lazy_call"),
    __index = placeholder("lazy_index"),
    __len = placeholder("lazy_len"),
    __newindex = placeholder("lazy_newindex"),
    __pairs = placeholder("lazy_pairs"),
  }

-- Make `target` load library `name` at its first use, and be the plain table of it from then on.
function host.lazy(target, name)
  host.names[target] = name
  return setmetatable(target, host.LAZY)
end
