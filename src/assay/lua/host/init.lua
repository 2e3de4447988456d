-- Builds the host: the private Lua side of a state. Each part is a chunk of its own that gets the `host` table;
-- all see a copy of the standard library, so that nothing a script replaces is ever used by them.
--
-- `call` runs a builtin by its index, `ask` one of the other functions that `state.py` lists, by its name. The parts
-- that every state needs follow; each of the others is loaded when one of its functions is first used.
local call, ask = ...

-- The sandbox removes these from the globals.
local load, rawget, setupvalue = load, rawget, debug.setupvalue

local private = {}
for name, value in pairs(_G) do
  if name ~= "io" and name ~= "package" and name ~= "python" then
    if type(value) == "table" and value ~= _G then
      local copy = {}
      for key, item in pairs(value) do
        copy[key] = item
      end
      value = copy
    end
    private[name] = value
  end
end
private._G = private

local host = { globals = _G, call = call, ask = ask }

host.WEAK_KEYS = { __mode = "k" } -- a metatable

local function add(part)
  setupvalue(part, 1, private) -- its _ENV
  part(host)
end

function host.add_part(code)
  add(load(code, "=[assay]", "t"))
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
    add(part)
    return rawget(host, name)
  end,
})

for i = 3, select("#", ...) do
  add((select(i, ...)))
end
return host
