-- Creates the `host` table: the private Lua side of a state. Each part is a separate chunk that receives `host`. Parts
-- use the original standard library, of which scripts get copies, so that scripts cannot replace functions used here.
--
-- Arguments: `call` runs a builtin by its index, `ask` runs another function of `lua/callbacks.py` by its name,
-- `interrupted` handles exceptions that these do not catch; then the parts that every state needs. Other parts are
-- loaded when one of their functions is first used.
local call, ask, interrupted = ...

-- `sandbox.lua` removes these from the globals.
local error, pcall, rawget, setupvalue, type = error, pcall, rawget, debug.setupvalue, type
local isyieldable, raw_yield = coroutine.isyieldable, coroutine.yield

-- All Python objects, including the three functions, are userdata with the same metatable. It is disabled here, so that
-- a script that gets hold of such an object cannot use it.
local python_objects = debug.getmetatable(call)
local invoke = python_objects.__call
do
  local function refuse()
    error("host objects cannot be used", 2)
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

-- Release values that are not used.
local registry = debug.getregistry()
registry._IO_input, registry._IO_output, registry._PRELOAD = nil, nil, nil
for _, name in ipairs({ "io", "package", "python" }) do
  private[name], registry._LOADED[name] = nil, nil
end
private._G, private.require = nil, nil

warn("@off") -- Lua's default, which lupa changes

local host = { globals = _G }

-- Raise an error of Lua itself, which could not call Python because the stack or the memory is full.
local function refuse_call(message)
  if rawget(host, "LIMIT") then
    local limit = message == "not enough memory" and "memory" or "depth"
    host.limit, host.limit_detail = host.limit or limit, message
    error(host.LIMIT, 0)
  end
  error(message, 0)
end

-- Return the results of a call of Python. An exception, which can only be an external interrupt, does not reach the
-- script: it is passed back to Python, and the task is suspended forever. While the state is being closed, callbacks
-- fail; then a finalizer gets `default`.
local function results(default, ok, ...)
  if ok then
    return ...
  end
  local problem = ...
  if type(problem) == "string" then
    refuse_call(problem)
  end
  local is_handled, operation = pcall(invoke, interrupted, problem)
  if not is_handled then
    return default
  elseif rawget(host, "LIMIT") then
    host.limit = host.limit or "interrupted"
    error(host.LIMIT, 0)
  elseif isyieldable() then
    raw_yield(host.WAIT, operation)
  end
  error("interrupted", 0)
end

function host.call(...)
  return results("v", pcall(invoke, call, ...))
end

function host.ask(...)
  return results(nil, pcall(invoke, ask, ...))
end

-- On each call lupa reads `debug` from the state's globals, unprotected: an error in a metatable that a script has set
-- on its globals (as strict.lua does) would abort the process. So the state gets other globals.
local GLOBALS = 2 -- LUA_RIDX_GLOBALS
registry[GLOBALS] = {}

host.WEAK_KEYS = { __mode = "k" } -- a metatable

function host.add_part(part)
  setupvalue(part, 1, private) -- its _ENV
  part(host)
end

-- Return true if a frame (debug.getinfo "S") is private code. Precompiled chunks have no name.
function host.is_private(info)
  return info.source == "=[assay]" or info.source == "=?"
end

setmetatable(host, {
  __index = function(_, name)
    local part = host.ask("load_part", name)
    if part == nil then
      return nil
    elseif type(part) == "string" then
      refuse_call(part)
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
