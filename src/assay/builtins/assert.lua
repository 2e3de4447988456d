local host = ...

local byte, find = string.byte, string.find

local MAX_LENGTH = 1000 -- maximum length of a value in a message, in bytes

-- Load all fields of a lazily copied table (see `lazy.lua`).
local function fill(t)
  if host.borrower then
    host.borrower.fill_all(t)
  end
end

-- Return true if two values are deeply equal. `seen` holds the pairs under comparison, for cycles.
local function equal(a, b, seen)
  if a == b then
    return true
  elseif type(a) ~= "table" or type(b) ~= "table" then
    return false
  elseif rawequal(a, host.null) or rawequal(b, host.null) or host.is_handle(a) or host.is_handle(b) then
    return false
  end
  if not seen then
    seen = {}
    fill(a)
    fill(b)
  end
  if seen[a] and seen[a][b] then
    return true
  end
  seen[a] = seen[a] or {}
  seen[a][b] = true
  for key, value in next, a do
    if not equal(value, rawget(b, key), seen) then
      return false
    end
  end
  for key in next, b do
    if rawget(a, key) == nil then
      return false
    end
  end
  return true
end

local show

local function less(a, b)
  local ta, tb = type(a), type(b)
  if ta == tb then
    if ta == "number" or ta == "string" then
      return a < b
    elseif ta == "boolean" then
      return b and not a
    end
    return show(a) < show(b)
  end
  return ta < tb
end

local function show_table(t, active)
  if active[t] then
    return "(itself)"
  elseif next(active) == nil then
    fill(t)
  end
  active[t] = true
  local parts, length = {}, rawlen(t)
  for i = 1, length do
    parts[i] = show(rawget(t, i), active)
  end
  local keys = {}
  for key in next, t do
    if math.type(key) ~= "integer" or key < 1 or key > length then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, less)
  for i = 1, #keys do
    local key = keys[i]
    local name = type(key) == "string" and string.find(key, "^[%a_][%w_]*$") and key or "[" .. show(key, active) .. "]"
    parts[#parts + 1] = name .. " = " .. show(rawget(t, key), active)
  end
  active[t] = nil
  return "{" .. table.concat(parts, ", ") .. "}"
end

function show(value, active)
  local kind = type(value)
  if kind == "string" then
    return host.encode(value, "json") or string.format("%q", value)
  elseif kind == "table" and not rawequal(value, host.null) and not host.is_handle(value) then
    local metatable = getmetatable(value)
    if not (host.is_error(value) or type(metatable) == "table" and metatable.__tostring) then
      return show_table(value, active or {})
    end
  elseif kind == "function" or kind == "thread" then
    return kind
  end
  return host.tostring(value)
end

local function shown(value)
  local text = show(value)
  return #text > MAX_LENGTH and string.sub(text, 1, MAX_LENGTH) .. "…" or text
end

local function fail(name, problem, message, detail)
  local suffix = message ~= nil and " - " .. host.tostring(message) or ""
  host.raise("assert." .. name .. " failed: " .. problem .. suffix .. (detail or ""))
end

local MAX_PLAIN_LENGTH = 80 -- a longer message lists the differences, in bytes
local MAX_DIFFERENCES = 10

local function missing_or(value)
  return value == nil and "(missing)" or show(value)
end

-- List the fields in which two tables differ, one line each.
local function differences(a, b)
  local lines, active = {}, {}
  local function compare(x, y, path)
    local is_table = type(x) == "table" and type(y) == "table" and not active[x]
    if equal(x, y) or #lines > MAX_DIFFERENCES then
      return
    elseif
      not is_table
      or host.is_handle(x)
      or host.is_handle(y)
      or rawequal(x, host.null)
      or rawequal(y, host.null)
    then
      lines[#lines + 1] = "\n  " .. path .. ": " .. missing_or(x) .. " != " .. missing_or(y)
      return
    end
    active[x] = true
    local keys = {}
    for key in next, x do
      keys[#keys + 1] = key
    end
    for key in next, y do
      if rawget(x, key) == nil then
        keys[#keys + 1] = key
      end
    end
    table.sort(keys, less)
    for i = 1, #keys do
      local key = keys[i]
      local plain = type(key) == "string" and string.find(key, "^[%a_][%w_]*$")
      local inner = plain and (path == "" and key or path .. "." .. key) or path .. "[" .. show(key) .. "]"
      compare(rawget(x, key), rawget(y, key), inner)
    end
    active[x] = nil
  end
  compare(a, b, "")
  if #lines > MAX_DIFFERENCES then
    lines[#lines] = "\n  …"
  end
  return table.concat(lines)
end

-- Return line `number` of a string, or nil if it has fewer lines.
local function line_of(text, number)
  local count = 0
  for line in string.gmatch(text .. "\n", "(.-)\n") do
    count = count + 1
    if count == number then
      return line
    end
  end
end

local CONTEXT = 30 -- bytes to show before and after the first difference

-- Describe the first difference of two strings: the lines that differ, or an excerpt of single-line strings.
local function text_difference(a, b)
  local at = 1
  while byte(a, at) == byte(b, at) do
    at = at + 1
  end
  if find(a, "\n", 1, true) or find(b, "\n", 1, true) then
    local _, before = string.gsub(string.sub(a, 1, at - 1), "\n", "")
    local mine, other = line_of(a, before + 1), line_of(b, before + 1)
    return "\n  line " .. before + 1 .. ": " .. missing_or(mine) .. " != " .. missing_or(other)
  end
  local first = at > CONTEXT and at - CONTEXT or 1
  local mine, other = string.sub(a, first, at + CONTEXT), string.sub(b, first, at + CONTEXT)
  return "\n  at byte " .. at .. ": …" .. show(mine) .. "… != …" .. show(other) .. "…"
end

local function bad(name, parameter, expected, value)
  local problem = " (" .. expected .. " expected, got " .. host.describe(value) .. ")"
  host.raise("assert." .. name .. ": bad argument '" .. parameter .. "'" .. problem)
end

local M = {}

function M.assert(...)
  local value, message = ...
  if value then
    return ...
  elseif select("#", ...) == 0 then
    host.raise("bad argument #1 to 'assert' (value expected)")
  end
  host.raise(select("#", ...) == 1 and "assertion failed!" or message)
end

function M.eq(a, b, message)
  if not equal(a, b) then
    local text = shown(a) .. " != " .. shown(b)
    local detail
    if #text > MAX_PLAIN_LENGTH and type(a) == type(b) then
      detail = type(a) == "table" and differences(a, b) or type(a) == "string" and text_difference(a, b)
    end
    fail("eq", text, message, detail)
  end
end

function M.ne(a, b, message)
  if equal(a, b) then
    fail("ne", shown(a) .. " == " .. shown(b), message)
  end
end

-- Return an assertion about the order of two numbers or two strings.
local function ordered(name, sign, in_order)
  return function(a, b, message)
    if type(a) ~= "number" and type(a) ~= "string" then
      bad(name, "a", "number or string", a)
    elseif type(a) ~= type(b) then
      bad(name, "b", type(a), b)
    elseif not in_order(a, b) then
      fail(name, shown(a) .. " is not " .. sign .. " " .. shown(b), message)
    end
  end
end

M.gt = ordered("gt", ">", function(a, b)
  return a > b
end)

M.lt = ordered("lt", "<", function(a, b)
  return a < b
end)

-- An error object is compared by its message.
local function text_of(value)
  return type(value) == "table" and host.is_error(value) and host.tostring(value) or value
end

-- Search a text as `string.find` does. In a workflow the replacement of that function limits the time of a search.
local function search(text, pattern, is_plain)
  return (host["string.find"] or find)(text, pattern, 1, is_plain)
end

function M.contains(whole, part, message)
  local contained = false
  whole = text_of(whole)
  if type(whole) == "string" then
    if type(part) ~= "string" and type(part) ~= "number" then
      bad("contains", "part", "string", part)
    end
    contained = search(whole, tostring(part), true) ~= nil
  elseif type(whole) == "table" and not host.is_handle(whole) then
    for i = 1, #whole do
      contained = contained or equal(whole[i], part)
    end
  else
    bad("contains", "whole", "string or table", whole)
  end
  if not contained then
    fail("contains", shown(whole) .. " does not contain " .. shown(part), message)
  end
end

function M.not_nil(value, message)
  if value == nil then
    fail("not_nil", "value is nil", message)
  end
end

function M.matches(text, pattern, message)
  text = text_of(text)
  if type(text) ~= "string" then
    bad("matches", "text", "string", text)
  elseif type(pattern) ~= "string" then
    bad("matches", "pattern", "string", pattern)
  end
  local ok, result = pcall(search, text, pattern, false)
  if not ok then
    if host.check_limit then
      host.check_limit(result)
    end
    host.raise("assert.matches: bad argument 'pattern' (" .. string.gsub(result, "^.-:%d+: ", "") .. ")")
  elseif not result then
    fail("matches", shown(text) .. " does not match pattern " .. shown(pattern), message)
  end
end

return M
