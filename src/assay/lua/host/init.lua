-- Builds the host: the private Lua side of a state. Each part is a chunk of its own that gets the `host` table; all see
-- the standard library itself, of which scripts get copies, so that nothing a script replaces is ever used here.
--
-- `call` runs a builtin by its index, `ask` one of the other callbacks of `lua/host.py`, by its name. The parts that
-- every state needs follow; each of the others is loaded when one of its functions is first used.
local call, ask = ...

-- The sandbox removes these from the globals.
local error, rawget, setupvalue = error, rawget, debug.setupvalue

local private = {}
for name, value in pairs(_G) do
  private[name] = value
end

-- What nobody uses is let go of.
local registry = debug.getregistry()
registry._IO_input, registry._IO_output, registry._PRELOAD = nil, nil, nil
for _, name in ipairs({ "io", "package", "python" }) do
  private[name], registry._LOADED[name] = nil, nil
end
private._G, private.require = nil, nil

local host = { globals = _G, call = call, ask = ask }

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
    local part = ask("load_part", name)
    if part == nil then
      return nil
    elseif not part then
      error("not enough memory", 0)
    end
    host.add_part(part)
    host.watch_afresh()
    return rawget(host, name)
  end,
})

for i = 3, select("#", ...) do
  host.add_part((select(i, ...)))
end
return host
