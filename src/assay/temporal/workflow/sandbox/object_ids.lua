-- Assigns ids to table and function keys that have none, ordered by a description of their contents. A replay repeats
-- that order; the order of addresses differs.
local host = ...

local getinfo, getmetatable, getupvalue = debug.getinfo, debug.getmetatable, debug.getupvalue
local mathtype, next, rawequal, type = math.type, next, rawequal, type
local format = string.format
local concat, sort = table.concat, table.sort

local numbers, number_of, names = host.numbers, host.number_of, host.names
local G = host.globals

local MAX_DEPTH = 4 -- levels of nested tables in a description
local MAX_VALUES = 1e5 -- values in all descriptions

local ancestors -- table or function -> its depth, while its contents are being described
local remaining -- number of values that may still be described

local describe

local function describe_table(t, depth)
  local entries, n = {}, 0
  for key, value in next, t do
    n = n + 1
    entries[n] = describe(key, depth + 1) .. "=" .. describe(value, depth + 1)
  end
  sort(entries)
  return "{" .. concat(entries, ",") .. "}"
end

local function describe_function(fn, depth)
  local where = getinfo(fn, "S")
  local parts, i = { where.source, where.linedefined }, 1
  local name, value = getupvalue(fn, 1)
  while name do
    parts[#parts + 1] = describe(value, depth + 1)
    i = i + 1
    name, value = getupvalue(fn, i)
  end
  return "(" .. concat(parts, ",") .. ")"
end

function describe(value, depth)
  local kind = type(value)
  if host.borrower and kind == "table" and rawequal(getmetatable(value), host.LAZY) and not names[value] then
    host.load_lazy(value)
  end
  remaining = remaining - 1
  if kind == "string" then
    return #value .. ":" .. value
  elseif mathtype(value) == "float" then
    return format("%a", value)
  elseif kind ~= "table" and kind ~= "function" and kind ~= "thread" then
    return host.tostring(value)
  elseif rawequal(value, G) then
    return "_G"
  elseif names[value] then
    return names[value]
  elseif numbers[value] then
    return "#" .. numbers[value]
  elseif ancestors[value] then
    return "^" .. ancestors[value]
  elseif kind == "thread" or depth > MAX_DEPTH or remaining < 0 or rawequal(getmetatable(value), host.LAZY) then
    return kind
  end
  ancestors[value] = depth
  local text = (kind == "table" and describe_table or describe_function)(value, depth)
  ancestors[value] = nil
  return text
end

-- Assign ids to the objects in a list. Returns false if two of them have the same description, or there are too many
-- values to describe.
function host.assign_object_ids(list)
  local descriptions, by_description = {}, {}
  ancestors, remaining = {}, MAX_VALUES
  for i = 1, #list do
    local description = describe(list[i], 0)
    if by_description[description] or remaining < 0 then
      return false
    end
    descriptions[i], by_description[description] = description, list[i]
  end
  sort(descriptions)
  for i = 1, #descriptions do
    number_of(by_description[descriptions[i]])
  end
  return true
end
