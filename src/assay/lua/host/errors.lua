-- The error object: what a builtin raises when an error has more to say than its text. It prints and
-- concatenates as its message, has the string methods, and carries fields (kind, type, details, cause, …).
local host = ...

local string_library = string
local getmetatable, rawget, setmetatable, tostring, type = getmetatable, rawget, setmetatable, tostring, type

local error_metatable = { __name = "error", __metatable = false }

local function text_of(e)
  return rawget(e, "message") or "error"
end

function error_metatable.__index(_, key)
  local method = string_library[key]
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

local errors = setmetatable({}, { __mode = "k" })

function host.is_error(v)
  return errors[v] == true
end

-- Make an error object of a table of fields; its causes, which are tables too, become error objects.
function host.make_error(fields)
  if type(fields.cause) == "table" then
    host.make_error(fields.cause)
  end
  errors[fields] = true
  return setmetatable(fields, error_metatable)
end

-- A name for a value in messages: "table", "temporal.Client", "json.null".
function host.describe(v)
  local kind = type(v)
  if v == host.null then
    return "json.null"
  elseif host.is_handle(v) then
    return "a " .. host.is_handle(v)
  elseif kind == "table" and host.is_error(v) then
    return "error"
  end
  return kind
end

-- The message of any error value.
function host.message_of(value)
  local kind = type(value)
  if kind == "string" then
    return value
  elseif kind == "table" and not host.is_error(value) then
    local ok, text
    local metatable = getmetatable(value)
    if type(metatable) == "table" and metatable.__tostring then
      ok, text = pcall(tostring, value)
      if ok then
        return text
      end
    elseif type(value.message) == "string" then
      return value.message
    end
    return "(error object is a table value)"
  elseif kind == "nil" or kind == "function" or kind == "thread" or kind == "userdata" then
    return "(error object is a " .. kind .. " value)"
  end
  return tostring(value)
end
