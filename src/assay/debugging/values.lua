-- Values as one-line strings, for the debugger's views.
local host = ...

local debugger = {}
host.debugger = debugger

local getinfo, getmetatable = debug.getinfo, debug.getmetatable
local byte, concat, find, format, gsub, sort, sub =
  string.byte, table.concat, string.find, string.format, string.gsub, table.sort, string.sub
local math_type, next, rawequal, rawget, rawlen = math.type, next, rawequal, rawget, rawlen
local raw_status, tostring, type = coroutine.status, tostring, type
local utf8_length = utf8.len

local MAX_STRING = 10000 -- bytes of a string
local MAX_PREVIEW = 100 -- bytes of a table

local function is_script(info)
  return info.what ~= "C" and not host.is_private(info)
end

local function printable(text)
  if not utf8_length(text) then
    text = gsub(text, "[\x80-\xff]", function(char)
      return format("\\x%02X", byte(char))
    end)
  end
  return text
end

local function base_name(source)
  return printable((gsub(sub(source, 2), "^.*/", "")))
end

local function place(info, line)
  return base_name(info.source) .. ":" .. line
end

local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

-- Return a string in quotes, cut to `max` bytes.
local function quoted(text, max)
  local more = ""
  if #text > max then
    local stop = max
    while stop > max - 4 and byte(text, stop + 1) & 0xC0 == 0x80 do -- within a character
      stop = stop - 1
    end
    text, more = sub(text, 1, stop), "…"
  end
  local escaped = gsub(text, '[%c"\\]', function(char)
    return ESCAPES[char] or format("\\x%02X", byte(char))
  end)
  return '"' .. printable(escaped) .. '"' .. more
end

local function visible_metatable(value)
  local metatable = getmetatable(value)
  if type(metatable) == "table" and rawget(metatable, "__metatable") ~= false then
    return metatable
  end
end

local function is_less(a, b)
  local kind_a, kind_b = type(a), type(b)
  if kind_a == kind_b and (kind_a == "number" or kind_a == "string") then
    return a < b
  elseif kind_a == kind_b then
    return false
  end
  return kind_a < kind_b
end

-- Return at most `max` keys of a table in display order, list items first, and the number of the remaining keys.
local function keys_of(t, max)
  local length = rawlen(t)
  local keys, others, rest = {}, {}, 0
  for i = 1, length < max and length or max do
    keys[i] = i
  end
  rest = length - #keys
  for key in next, t do
    if not (math_type(key) == "integer" and key >= 1 and key <= length) then
      others[#others + 1] = key
    end
  end
  sort(others, is_less)
  for i = 1, #others do
    if #keys < max then
      keys[#keys + 1] = others[i]
    else
      rest = rest + 1
    end
  end
  return keys, rest
end

local function is_name(key)
  return type(key) == "string" and find(key, "^[%a_][%w_]*$") ~= nil
end

local value_text

local function table_text(t)
  local keys, rest = keys_of(t, 20)
  local parts, size = {}, 0
  for i = 1, #keys do
    local key, value = keys[i], rawget(t, keys[i])
    local text = type(value) == "table" and not host.is_handle(value) and "{…}" or value_text(value, 40)
    if key ~= i then
      text = (is_name(key) and key or "[" .. value_text(key, 40) .. "]") .. " = " .. text
    end
    size = size + #text + 2
    if size > MAX_PREVIEW then
      rest = rest + #keys - i + 1
      break
    end
    parts[#parts + 1] = text
  end
  if rest > 0 then
    parts[#parts + 1] = "…"
  end
  return "{" .. concat(parts, ", ") .. "}"
end

-- Return a value as one line, with strings cut to `max` bytes.
function value_text(value, max)
  local kind = type(value)
  if kind == "string" then
    return quoted(value, max or MAX_STRING)
  elseif kind == "table" then
    if rawequal(value, host.null) then
      return "null"
    elseif host.names[value] then
      return host.names[value]
    elseif host.is_handle(value) then
      return host.is_handle(value)
    elseif host.is_error(value) then
      return "error: " .. quoted(host.message_of(value), max or MAX_STRING)
    end
    return table_text(value)
  elseif kind == "function" then
    local info = getinfo(value, "S")
    if host.names[value] or not is_script(info) then
      return "function " .. (host.names[value] or "(built-in)")
    end
    return "function <" .. place(info, info.linedefined) .. ">"
  elseif kind == "thread" then
    return "coroutine " .. (debugger.ids[value] or "") .. " (" .. raw_status(value) .. ")"
  end
  return kind == "userdata" and kind or tostring(value)
end

debugger.base_name, debugger.is_name, debugger.is_script, debugger.keys_of = base_name, is_name, is_script, keys_of
debugger.place, debugger.printable, debugger.value_text = place, printable, value_text
debugger.visible_metatable = visible_metatable
