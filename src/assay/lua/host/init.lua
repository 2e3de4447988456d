-- Builds the host: the private Lua side of a state. Each part is a chunk of its own that gets the `host` table;
-- all see a copy of the standard library, so that nothing a script replaces is ever used by them.
local callbacks, next_part = ...

local collectgarbage, setupvalue = collectgarbage, debug.setupvalue -- the sandbox removes them from the globals

local private = {}
for name, value in pairs(_G) do
  if type(value) == "table" and value ~= _G and name ~= "package" and name ~= "python" then
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
host.call, host.cancel, host.let_go, host.load_library, host.find_module, host.write = callbacks()

-- Whether a frame (of debug.getinfo "S") is of this side: chunks compiled ahead have lost their name.
function host.is_private(info)
  return info.source == "=[assay]" or info.source == "=?"
end

local part = next_part()
while part do
  setupvalue(part, 1, private) -- its _ENV
  part(host)
  part = next_part()
end
collectgarbage() -- what building has left behind; there are many states
return host
