-- Builds the host: the private Lua side of a state. Each part is a chunk of its own that gets the `host` table; all see
-- the standard library itself, of which scripts get copies, so that nothing a script replaces is ever used here.
--
-- `call` runs a builtin by its index, `ask` one of the few other functions that `lua/host.py` lists, `interrupted` takes
-- an exception that neither of them has caught. The parts that every state needs follow; each of the others is loaded
-- when one of its functions is first used.
local call, ask, interrupted = ...

-- The sandbox removes these from the globals.
local error, pcall, rawget, setupvalue = error, pcall, rawget, debug.setupvalue
local isyieldable, raw_yield = coroutine.isyieldable, coroutine.yield

-- Python's objects, the three functions too, are userdata of one metatable of lupa's. It is closed to all but this file:
-- whoever gets hold of such a value can do nothing with it.
local python_objects = debug.getmetatable(call)
local invoke = python_objects.__call
do
  local function refuse()
    error("a value of the host cannot be used", 2)
  end
  for _, event in ipairs({ "__call", "__index", "__newindex" }) do
    python_objects[event] = refuse
  end
  function python_objects.__tostring()
    return "userdata"
  end
  python_objects.__metatable = false
end

local private = {}
for name, value in pairs(_G) do
  private[name] = value
end

-- Unused values are released.
local registry = debug.getregistry()
registry._IO_input, registry._IO_output, registry._PRELOAD = nil, nil, nil
for _, name in ipairs({ "io", "package", "python" }) do
  private[name], registry._LOADED[name] = nil, nil
end
private._G, private.require = nil, nil

warn("@off") -- Lua's own default, which lupa changes

local host = { globals = _G }

-- The results of a call of Python. What it raises (an interrupt from outside: the functions catch everything else) never
-- reaches a script: Python gets it back, and the task is suspended for good. While the state is closed Python does not
-- answer any more; what a finalizer gets then is `nothing`.
local function answered(nothing, ok, ...)
  if ok then
    return ...
  end
  local is_noted, operation = pcall(invoke, interrupted, (...))
  if not is_noted then
    return nothing
  elseif rawget(host, "LIMIT") then
    host.limit = host.limit or "interrupted"
    error(host.LIMIT, 0)
  elseif isyieldable() then
    raw_yield(host.WAIT, operation)
  end
  error("interrupted", 0)
end

function host.call(...)
  return answered("v", pcall(invoke, call, ...))
end

function host.ask(...)
  return answered(nil, pcall(invoke, ask, ...))
end

-- At each call lupa looks for `debug` in what the state takes for its globals, unprotected: an error of a metatable that
-- a script has given its own (strict.lua, for one) would end the process.
local GLOBALS = 2 -- LUA_RIDX_GLOBALS
registry[GLOBALS] = {}

host.WEAK_KEYS = { __mode = "k" } -- a metatable

function host.add_part(part)
  setupvalue(part, 1, private) -- its _ENV
  part(host)
end

-- Whether a frame (of debug.getinfo "S") is of this side: chunks compiled ahead have lost their name.
function host.is_private(info)
  return info.source == "=[assay]" or info.source == "=?"
end

setmetatable(host, {
  __index = function(_, name)
    local part = host.ask("load_part", name)
    if part == nil then
      return nil
    elseif not part then
      error("not enough memory", 0)
    end
    host.add_part(part)
    host.restart_watch()
    return rawget(host, name)
  end,
})

for i = 4, select("#", ...) do
  host.add_part((select(i, ...)))
end
return host
