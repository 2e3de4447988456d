-- Garbage collection: nothing a workflow does may depend on when it happens.
local host = ...

local rawset, type = rawset, type
local raw_setmetatable = setmetatable

function host.setmetatable(t, metatable)
  if type(metatable) == "table" then
    rawset(metatable, "__gc", nil)
    rawset(metatable, "__mode", nil)
    if type(t) == "table" then
      host.number_of(t)
    end
  end
  return raw_setmetatable(t, metatable)
end

function host.collectgarbage()
  return 0
end
