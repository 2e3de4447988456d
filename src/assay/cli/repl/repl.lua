-- The REPL's part in the Lua state: formats results, completes names and interrupts running code.
local host = ...

local internal = {}
host.fill(internal, "_.repl")

local HOOK_COUNT = 100000 -- instructions between two checks for Ctrl-C
local WIDTH = 100
local MAX_DEPTH = 6
local MAX_FIELDS = 100 -- per table

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

-- Return a held function that runs the held function `id` and prints its results without the first `dropped`.
function host.printing(id, dropped)
  local fn = host.held(id)
  return host.hold(function()
    print_all(select(dropped + 1, fn()))
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
  for key in pairs(value) do -- loads a builtin on first use
    if type(key) == "string" then
      into[#into + 1] = key
    end
  end
end

-- Return the completions of an expression: "js" -> "json", "json.en" -> "encode".
function host.complete(text)
  local path, prefix = match(text, "^(.-)([%w_]*)$")
  local value, names, matches = host.globals, {}, { [0] = 0 }
  for key in string.gmatch(path, "[%w_]+") do
    local ok, item = pcall(function()
      return value[key]
    end)
    value = ok and item or nil
  end
  if type(value) == "string" then
    value = string
  end
  pcall(names_in, value, names)
  for i = 1, #names do
    if string.sub(names[i], 1, #prefix) == prefix and find(names[i], "^%a[%w_]*$") then
      matches[#matches + 1] = names[i]
    end
  end
  matches[0] = nil
  sort(matches)
  return concat(matches, "\n")
end
