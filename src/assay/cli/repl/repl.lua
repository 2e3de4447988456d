-- The REPL's side in its Lua state: results as text, names to complete, and an end of code that runs for too long.
local host = ...

local internal = {}
host.fill(internal, "_.repl")

local HOOK_COUNT = 100000 -- instructions between two looks
local WIDTH = 100
local MAX_DEPTH = 6
local MAX_FIELDS = 100 -- fields of a table

local concat, sort = table.concat, table.sort
local debug_metatable, rawequal, rawget, rawlen, type = debug.getmetatable, rawequal, rawget, rawlen, type
local sethook = debug.sethook
local format, find, match = string.format, string.find, string.match

function host.watch(co)
  sethook(co, function()
    if internal.interrupted() then
      error("interrupted", 0)
    end
  end, "", HOOK_COUNT)
end

local function less(a, b)
  local ta, tb = type(a), type(b)
  if ta == tb then
    return (ta == "number" or ta == "string") and a < b
  end
  return ta < tb
end

local show

local function show_table(t, indent, active)
  if active[t] then
    return "(itself)"
  elseif #indent > MAX_DEPTH * 2 then
    return "{…}"
  end
  active[t] = true
  local parts, length, inner = {}, rawlen(t), indent .. "  "
  for i = 1, length < MAX_FIELDS and length or MAX_FIELDS do
    parts[i] = show(rawget(t, i), inner, active)
  end
  local keys, rest = {}, length > MAX_FIELDS and length - MAX_FIELDS or 0
  for key in next, t do
    if math.type(key) ~= "integer" or key < 1 or key > length then
      keys[#keys + 1] = key
    end
  end
  sort(keys, less)
  for i = 1, #keys do
    if i > MAX_FIELDS then
      rest = rest + #keys - MAX_FIELDS
      break
    end
    local key = keys[i]
    local plain = type(key) == "string" and find(key, "^[%a_][%w_]*$")
    local name = plain and key or "[" .. show(key, inner, active) .. "]"
    parts[#parts + 1] = name .. " = " .. show(rawget(t, key), inner, active)
  end
  if rest > 0 then
    parts[#parts + 1] = "… and " .. rest .. " more"
  end
  active[t] = nil
  local line = concat(parts, ", ")
  if #line + #indent <= WIDTH and not find(line, "\n", 1, true) then
    return "{" .. line .. "}"
  end
  return "{\n" .. inner .. concat(parts, ",\n" .. inner) .. ",\n" .. indent .. "}"
end

function show(value, indent, active)
  local kind = type(value)
  if kind == "string" then
    return host.encode(value, "json") or format("%q", value)
  elseif kind == "table" and not rawequal(value, host.null) and not host.is_handle(value) then
    local metatable = debug_metatable(value)
    if host.names[value] then
      return "(" .. host.names[value] .. ")"
    elseif not (host.is_error(value) or type(metatable) == "table" and metatable.__tostring) then
      return show_table(value, indent, active)
    end
  elseif kind == "function" and host.names[value] then
    return "(function " .. host.names[value] .. ")"
  end
  return host.tostring(value)
end

local function print_all(...)
  local count = select("#", ...)
  local shown = {}
  for i = 1, count do
    shown[i] = show((select(i, ...)), "", {})
  end
  if count > 0 then
    host.ask("write", concat(shown, "\t") .. "\n")
  end
end

-- A held function that runs the held function `id` and prints its results but the first `left_out`.
function host.printing(id, left_out)
  local fn = host.held(id)
  return host.hold(function()
    print_all(select(left_out + 1, fn()))
  end)
end

local function names_in(value, into)
  if host.is_handle(value) then
    for _, name in ipairs(internal.methods(host.is_handle(value))) do
      into[#into + 1] = name
    end
    return
  elseif type(value) ~= "table" or rawequal(value, host.null) then
    return
  end
  for key in pairs(value) do -- loads a builtin that was not used yet
    if type(key) == "string" then
      into[#into + 1] = key
    end
  end
end

-- The names that can follow the start of an expression: "js" -> "json", "json.en" -> "encode".
function host.complete(text)
  local path, start = match(text, "^(.-)([%w_]*)$")
  local value, found, fits = host.globals, {}, { [0] = 0 }
  for key in string.gmatch(path, "[%w_]+") do
    local ok, item = pcall(function()
      return value[key]
    end)
    value = ok and item or nil
  end
  if type(value) == "string" then
    value = string
  end
  pcall(names_in, value, found)
  for i = 1, #found do
    if string.sub(found[i], 1, #start) == start and find(found[i], "^%a[%w_]*$") then
      fits[#fits + 1] = found[i]
    end
  end
  fits[0] = nil
  sort(fits)
  return concat(fits, "\n")
end
