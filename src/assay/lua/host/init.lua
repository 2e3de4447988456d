-- Builds the host: the private Lua side of a state. Each part is a chunk of its own that gets the `host` table;
-- all see a copy of the standard library, so that nothing a script replaces is ever used by them.
local callbacks, next_part = ...

-- The sandbox removes these from the globals.
local collectgarbage, load, setmetatable, setupvalue = collectgarbage, load, setmetatable, debug.setupvalue

local private = {}
for name, value in pairs(_G) do
  if type(value) == "table" and value ~= _G and name ~= "package" and name ~= "python" and name ~= "io" then
    local copy = {}
    for key, item in pairs(value) do
      copy[key] = item
    end
    value = copy
  end
  private[name] = value
end
private._G = private

local host = { globals = _G }
local read_part
host.call, host.cancel, host.let_go, host.load_library, host.find_module, host.write, read_part = callbacks()

-- Whether a frame (of debug.getinfo "S") is of this side: chunks compiled ahead have lost their name.
function host.is_private(info)
  return info.source == "=[assay]" or info.source == "=?"
end

-- Parts that most states never need are loaded when one of their functions is first used.
local late = {} -- name of a function -> the part that defines it

function host.later(part, ...)
  for _, name in private.ipairs({ ... }) do
    late[name] = part
  end
end

function host.add_part(code)
  load(code, "=[assay]", "bt", private)(host)
end

setmetatable(host, {
  __index = function(_, name)
    if late[name] then
      host.add_part(read_part(late[name]))
      return private.rawget(host, name)
    end
  end,
})

local part = next_part()
while part do
  setupvalue(part, 1, private) -- its _ENV
  part(host)
  part = next_part()
end
collectgarbage() -- what building has left behind; there are many states
return host
