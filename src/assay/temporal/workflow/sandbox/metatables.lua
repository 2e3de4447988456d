-- Functions for metatables. They keep `__gc` and `__mode` out of metatables, because their effects depend on garbage
-- collection, which differs on replay. Functions that bypass metatables (`rawget`, …) first load a lazy library table.
local host = ...

local rawequal, select, type = rawequal, select, type
local raw_collectgarbage, raw_getmetatable, raw_rawget, raw_rawlen, raw_rawset, raw_setmetatable =
  collectgarbage, getmetatable, rawget, rawlen, rawset, setmetatable
local any_metatable, set_any_metatable = debug.getmetatable, debug.setmetatable -- ignore `__metatable`

local function load_lazy(value)
  if rawequal(any_metatable(value), host.LAZY) then
    host.load_lazy(value)
  end
end

-- `__gc` and `__mode` stay out of a metatable after it has been set, too: new fields go through the `__newindex` of its
-- own metatable, and `rawset` checks them. If a metatable has none, it gets GUARD, which scripts cannot see.

local known = setmetatable({}, host.WEAK_KEYS) -- metatables -> true

function host.keep_out(metatable, key, value)
  if key ~= "__gc" and key ~= "__mode" then
    raw_rawset(metatable, key, value)
  end
end

local keep_out = host.keep_out
host.GUARD = { __newindex = keep_out }
local GUARD = host.GUARD

local function guard(metatable)
  local own = any_metatable(metatable)
  if own == nil then
    set_any_metatable(metatable, GUARD)
  elseif raw_rawget(own, "__newindex") == nil and not rawequal(own, host.array_metatable) then
    raw_rawset(own, "__newindex", keep_out)
  end
end

-- Prepare a table to be a metatable.
function host.close_metatable(metatable)
  raw_rawset(metatable, "__gc", nil)
  raw_rawset(metatable, "__mode", nil)
  if not known[metatable] then
    known[metatable] = true
    guard(metatable)
  end
end

local function may_set(t, metatable)
  if type(t) == "table" and (type(metatable) == "table" or metatable == nil) then
    local own = any_metatable(t)
    return own == nil or raw_rawget(own, "__metatable") == nil
  end
end

host["_G.setmetatable"] = function(...)
  local t, metatable = ...
  load_lazy(t)
  load_lazy(metatable)
  if select("#", ...) < 2 or not may_set(t, metatable) then
    return host.call_raw(raw_setmetatable, ...)
  end
  host.number_of(t)
  if metatable ~= nil then
    host.close_metatable(metatable)
  end
  raw_setmetatable(t, metatable)
  if known[t] then
    guard(t)
  end
  return t
end

host["_G.getmetatable"] = function(...)
  if select("#", ...) == 0 then
    host.call_raw(raw_getmetatable)
  end
  local value = ...
  load_lazy(value)
  local metatable = raw_getmetatable(value)
  if rawequal(metatable, GUARD) then
    return nil
  end
  return metatable
end

host["_G.rawget"] = function(...)
  local t, key = ...
  if type(t) ~= "table" or select("#", ...) < 2 then
    host.call_raw(raw_rawget, ...)
  end
  load_lazy(t)
  local value = raw_rawget(t, key)
  if value == keep_out then
    return nil
  end
  return value
end

host["_G.rawset"] = function(...)
  local t, key = ...
  if type(t) == "table" and known[t] and (key == "__gc" or key == "__mode") then
    return t
  end
  load_lazy(t)
  return host.call_raw(raw_rawset, ...)
end

host["_G.rawlen"] = function(...)
  load_lazy((...))
  return host.call_raw(raw_rawlen, ...)
end

-- Fixed results of `collectgarbage`: memory use and the timing of collections differ on replay.
local RESULTS = {
  collect = 0,
  count = 0,
  stop = 0,
  restart = 0,
  step = true,
  isrunning = true,
  generational = "incremental",
  incremental = "incremental",
  param = 0,
}

host["_G.collectgarbage"] = function(...)
  local option = ...
  local result = RESULTS[option == nil and "collect" or option]
  if result == nil then
    host.call_raw(raw_collectgarbage, ...)
  end
  return result
end
