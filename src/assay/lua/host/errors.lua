-- Error objects, which builtins raise for errors with fields (kind, type, details, cause, …). They print and
-- concatenate as their message, and have the methods of strings.
local host = ...

local getmetatable, pcall, rawequal, rawget, setmetatable, tostring, type =
  getmetatable, pcall, rawequal, rawget, setmetatable, tostring, type

local find = string.find

local string_methods = {}
for name, fn in pairs(string) do
  if name ~= "dump" then -- not for scripts
    string_methods[name] = fn
  end
end

local error_metatable = { __name = "error", __metatable = false }

local function text_of(e)
  local message = rawget(e, "message")
  return type(message) == "string" and message or "error"
end

function error_metatable.__index(_, key)
  local method = string_methods[key]
  return method and function(e, ...)
    return method(host.is_error(e) and text_of(e) or e, ...)
  end
end

error_metatable.__tostring = text_of

function error_metatable.__concat(a, b)
  return (host.is_error(a) and text_of(a) or a) .. (host.is_error(b) and text_of(b) or b)
end

function error_metatable.__len(e)
  return #text_of(e)
end

local errors = setmetatable({}, host.WEAK_KEYS) -- error object -> guard of the Python exception behind it, or true

function host.is_error(v)
  return errors[v] ~= nil
end

function host.origin_of(v)
  local guard = errors[v]
  return type(guard) == "table" and guard.id or 0
end

-- Turn a table of fields into an error object, and its causes too.
function host.make_error(fields, origin)
  if type(fields.cause) == "table" then
    host.make_error(fields.cause)
  end
  errors[fields] = origin and origin ~= 0 and host.guard(origin) or true
  return setmetatable(fields, error_metatable)
end

-- Return the name of a value's type in messages: "table", "a temporal.Client", "json.null".
function host.describe(v)
  local kind = type(v)
  if rawequal(v, host.null) then
    return "json.null"
  elseif host.is_handle(v) then
    local class = host.is_handle(v)
    return (find(class, "^[aeiou]") and "an " or "a ") .. class
  elseif kind == "table" and host.is_error(v) then
    return "error"
  end
  return kind
end

local function message_of(value)
  local metatable = getmetatable(value)
  local is_ours = host.is_error(value) or host.is_handle(value) or rawequal(value, host.null)
  if is_ours or type(metatable) == "table" and metatable.__tostring then
    return tostring(value)
  end
  return value.message
end

-- Return the message of any error value.
function host.message_of(value)
  local kind = type(value)
  if kind == "string" then
    return value
  elseif kind == "number" or kind == "boolean" then
    return tostring(value)
  elseif kind == "table" then
    local ok, text = pcall(message_of, value) -- may run metamethods of the script
    if ok and type(text) == "string" then
      return text
    elseif not ok and host.check_limit then
      host.check_limit(text)
    end
  end
  return "(error object is a " .. kind .. " value)"
end
