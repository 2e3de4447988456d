-- Conversion of arguments of builtins, except for plain values, which `bind.lua` passes itself.
local host = ...

local mathtype, tointeger, tostring = math.type, math.tointeger, tostring
local concat, setmetatable, sub, type = table.concat, setmetatable, string.sub, type

local function bad(name, parameter, expected, got)
  local hint = parameter == "self" and "; methods are called with a colon" or ""
  host.raise(name .. ": bad argument '" .. parameter .. "' (" .. expected .. " expected, got " .. got .. hint .. ")")
end

-- kind -> function that returns the value to pass, or nil for an invalid value
local convert = {
  string = function(v)
    return type(v) == "string" and v or (mathtype(v) or host.is_error(v)) and tostring(v) or nil
  end,
  integer = function(v)
    return mathtype(v) and tointeger(v)
  end,
  number = function(v)
    return mathtype(v) and v or nil
  end,
}

-- Return the ids of an array of handles as a string.
local function handle_list(name, parameter, class, v)
  local ids = {}
  for i = 1, #v do
    if host.is_handle(v[i]) ~= class then
      host.raise(
        name
          .. ": bad argument '"
          .. parameter
          .. "', item "
          .. i
          .. " ("
          .. class
          .. " expected, got "
          .. host.describe(v[i])
          .. ")"
      )
    end
    ids[i] = host.handle_ids[v[i]]
  end
  return concat(ids, " ")
end

local EXPECTED = { any = "value", text = "string or table", options = "table", body = "string or table" }

-- Return the value to pass for an argument, and the new number of attachments, which follow `count` arguments in `out`.
function host.convert_argument(name, parameter, kind, v, out, count, attachments)
  if kind == "rest" then
    setmetatable(v, host.array_metatable)
    kind = "table"
  end
  local t = type(v)
  if v == nil then
    bad(name, parameter, EXPECTED[kind] or kind, "nil")
  elseif kind == "body" and t == "string" then
    return "=" .. v, attachments
  elseif kind == "json" or (kind == "body" and t == "table") then
    local text, problem = host.encode_value(v)
    if not text then
      host.raise(name .. ": bad argument '" .. parameter .. "' (not JSON-serializable: " .. problem .. ")")
    end
    return text, attachments
  elseif
    (kind == "any" or kind == "table" or kind == "options" or kind == "text")
    and t == "table"
    and not host.is_handle(v)
  then
    local text, extra = host.encode(v, "call")
    if not text then
      host.raise(name .. ": bad argument '" .. parameter .. "' (not serializable: " .. extra .. ")")
    end
    for j = 1, #extra do
      out[count + attachments + j] = extra[j]
    end
    -- The prefix is the index of its first attachment among those of the call.
    return attachments .. ":" .. text, attachments + #extra
  elseif kind == "any" and (t == "string" or t == "number" or t == "boolean") then
    return t == "string" and "=" .. v or v, attachments
  elseif kind == "text" and t == "string" then
    return "=" .. v, attachments
  elseif t == "table" and sub(kind, -2) == "[]" and not host.is_handle(v) then
    return handle_list(name, parameter, sub(kind, 1, -3), v), attachments
  end
  local convert_kind = convert[kind]
  local value = convert_kind and convert_kind(v)
  if value == nil then
    bad(name, parameter, EXPECTED[kind] or kind, host.describe(v))
  end
  return value, attachments
end
