-- `tostring` and `string.format`, which show the id of an object instead of its address.
local host = ...

local format, gmatch, gsub, sub = string.format, string.gmatch, string.gsub, string.sub
local getmetatable, rawget, select, type = debug.getmetatable, rawget, select, type
local pack, unpack = table.pack, table.unpack
local raw_tostring = tostring

local number_of = host.number_of

local function deterministic_tostring(value)
  local kind = type(value)
  if kind == "table" or kind == "function" or kind == "thread" or kind == "userdata" then
    local metatable = getmetatable(value)
    if metatable and rawget(metatable, "__tostring") then
      return raw_tostring(value)
    end
    local name = metatable and rawget(metatable, "__name")
    return format("%s: 0x%08x", type(name) == "string" and name or kind, number_of(value))
  end
  return raw_tostring(value)
end

host.tostring = deterministic_tostring

host["_G.tostring"] = function(...)
  if select("#", ...) == 0 then
    host.call_raw(raw_tostring)
  end
  return deterministic_tostring((...))
end

local function format_values(pattern, ...)
  local arguments, i = pack(...), 0
  for options in gmatch(gsub(pattern, "%%%%", ""), "%%([%d%.#+ %-]*%a)") do
    i = i + 1
    local conversion = sub(options, -1)
    if conversion == "s" and i <= arguments.n then
      arguments[i] = deterministic_tostring(arguments[i])
    elseif conversion == "p" then
      host.raise("string.format: %p is not supported in a workflow: addresses differ on replay")
    end
  end
  return host.note(host.call_raw(format, pattern, unpack(arguments, 1, arguments.n)))
end

host["string.format"] = function(...)
  if type(...) ~= "string" then
    return host.call_raw(format, ...)
  end
  return format_values(...)
end
