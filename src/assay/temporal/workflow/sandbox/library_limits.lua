-- Built-in functions whose running time depends on their arguments. C code calls no hook, so loops over tables with a
-- metatable, which can have any number of items, are written in Lua here, and the length of created strings is noted.
local host = ...

local any_metatable = debug.getmetatable
local note, call_raw = host.note, host.call_raw
local raw_concat, raw_insert, raw_move, raw_remove, raw_unpack =
  table.concat, table.insert, table.move, table.remove, table.unpack
local rawequal, select, tointeger, type = rawequal, select, math.tointeger, type

local MAX_MOVED = 1e7 -- items
local MAX_UNPACKED = 2e5 -- results, which take several stack slots each
local MAX_FORMAT = 10000 -- bytes

-- Return an argument as the integer that C code takes it for, also if it is an integral float or a string; or nil.
local function to_integer(value)
  return value ~= nil and tointeger(value) or nil
end

-- Return whether `t` is a table whose metatable may provide its items.
local function is_virtual(t)
  if type(t) ~= "table" then
    return false
  end
  if rawequal(any_metatable(t), host.LAZY) then
    host.load_lazy(t)
  end
  return any_metatable(t) ~= nil
end

-- Return the items from `first` to `last`, or up to the first nil, and the index of the last one.
local function items_of(t, first, last)
  local items = {}
  for i = first, last do
    local item = t[i]
    if item == nil then
      return items, i
    end
    items[i] = item
  end
  return items, last
end

host["table.concat"] = function(...)
  local t, separator, first, last = ...
  first = first == nil and 1 or tointeger(first)
  if not is_virtual(t) or not first then
    return note(call_raw(raw_concat, ...))
  end
  last = last == nil and #t or tointeger(last)
  if not last then
    return call_raw(raw_concat, ...)
  end
  local items, count = items_of(t, first, last)
  return note(call_raw(raw_concat, items, separator, first, count))
end

host["table.unpack"] = function(...)
  local t, first, last = ...
  first = first == nil and 1 or tointeger(first)
  last = last == nil and type(t) == "table" and #t or tointeger(last)
  if not first or not last or last < first then
    return call_raw(raw_unpack, ...)
  elseif last - first >= MAX_UNPACKED or last - first < 0 then
    host.raise("too many results to unpack")
  elseif not is_virtual(t) then
    return call_raw(raw_unpack, ...)
  end
  local items = {}
  for i = first, last do
    items[i] = t[i]
  end
  return raw_unpack(items, first, last)
end

host["table.insert"] = function(...)
  local t, at, value = ...
  local count = select("#", ...)
  if not is_virtual(t) then
    if count == 2 and type(t) == "table" then
      return raw_insert(t, at)
    end
    return call_raw(raw_insert, ...)
  end
  local last = #t + 1
  if count == 2 then
    t[last] = at
    return
  end
  at = tointeger(at)
  if count ~= 3 or not at or at < 1 or at > last then
    return call_raw(raw_insert, ...)
  end
  for i = last, at + 1, -1 do
    t[i] = t[i - 1]
  end
  t[at] = value
end

host["table.remove"] = function(...)
  local t, at = ...
  if not is_virtual(t) then
    if at == nil and type(t) == "table" then
      return raw_remove(t)
    end
    return call_raw(raw_remove, ...)
  end
  local size = #t
  at = at == nil and size or tointeger(at)
  if not at or at ~= size and (at < 1 or at - 1 > size) then
    return call_raw(raw_remove, ...)
  end
  local value = t[at]
  for i = at, size - 1 do
    t[i] = t[i + 1]
  end
  t[at > size and at or size] = nil
  return value
end

host["table.move"] = function(...)
  local from, first, last, at, to = ...
  first, last, at = to_integer(first), to_integer(last), to_integer(at)
  local are_integers = first and last and at
  if are_integers and last - first > MAX_MOVED then
    host.raise("table.move: " .. last - first .. " items are too many for a workflow")
  end
  to = to == nil and from or to
  if not are_integers or type(to) ~= "table" or not (is_virtual(from) or is_virtual(to)) then
    return call_raw(raw_move, ...)
  elseif at > last or at <= first or from ~= to then
    for i = 0, last - first do
      to[at + i] = from[first + i]
    end
  else
    for i = last - first, 0, -1 do
      to[at + i] = from[first + i]
    end
  end
  return to
end

for _, name in next, { "char", "lower", "reverse", "upper" } do
  local raw = string[name]
  host["string." .. name] = function(...)
    return note(call_raw(raw, ...))
  end
end

host["utf8.char"] = function(...)
  return note(call_raw(utf8.char, ...))
end

for _, name in next, { "pack", "packsize", "unpack" } do
  local raw = string[name]
  host["string." .. name] = function(...)
    local format = ...
    if type(format) == "string" and #format > MAX_FORMAT then
      local problem = "a format of " .. #format .. " bytes is too long for a workflow (at most " .. MAX_FORMAT .. ")"
      host.raise("string." .. name .. ": " .. problem)
    end
    if name == "pack" then
      return note(call_raw(raw, ...))
    end
    return call_raw(raw, ...)
  end
end

local raw_rep = string.rep

host["string.rep"] = function(...)
  local s, n, separator = ...
  if s == "" and to_integer(n) and (separator == nil or separator == "") then
    return call_raw(raw_rep, s, 1) -- the result is empty, but C would loop `n` times
  end
  return note(call_raw(raw_rep, ...))
end
