-- Metatables, in which nothing may stand that depends on when garbage is collected. And what looks past them, before
-- which the table of a library has to be filled.
local host = ...

local rawequal, rawset, type = rawequal, rawset, type
local raw_getmetatable, raw_rawget, raw_setmetatable = getmetatable, rawget, setmetatable
local any_metatable = debug.getmetatable -- also a protected one

local function load_lazy(value)
  if rawequal(any_metatable(value), host.LAZY) then
    host.load_lazy(value)
  end
end

host["_G.setmetatable"] = function(t, metatable)
  if type(metatable) == "table" then
    rawset(metatable, "__gc", nil)
    rawset(metatable, "__mode", nil)
    if type(t) == "table" then
      host.number_of(t)
    end
  end
  load_lazy(t)
  return raw_setmetatable(t, metatable)
end

host["_G.collectgarbage"] = function()
  return 0
end

host["_G.getmetatable"] = function(...)
  load_lazy((...))
  return raw_getmetatable(...)
end

host["_G.rawget"] = function(...)
  load_lazy((...))
  return raw_rawget(...)
end
