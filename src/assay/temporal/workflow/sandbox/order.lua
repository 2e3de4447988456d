-- The order of tables: keys sorted, not hashed.
local host = ...

local getmetatable, next, rawequal, rawget, type = debug.getmetatable, next, rawequal, rawget, type
local sort = table.sort

local numbers, number_of = host.numbers, host.number_of

local RANK = { number = 1, string = 2, boolean = 3 }

local function less(a, b)
  local rank_a, rank_b = RANK[type(a)] or 4, RANK[type(b)] or 4
  if rank_a ~= rank_b then
    return rank_a < rank_b
  elseif rank_a == 3 then
    return not a and b
  elseif rank_a == 4 then
    return numbers[a] < numbers[b]
  end
  return a < b
end

local NO_ORDER = "two keys are tables or functions that are alike, which have no order that a replay could repeat"

-- The keys of `t` in order, and their number; an error is told at `level`.
local function ordered_keys(t, level)
  local keys, n, in_order, strangers = {}, 0, true, nil
  for key in next, t do
    n = n + 1
    keys[n] = key
    in_order = in_order and key == n
    if not RANK[type(key)] and not numbers[key] then
      strangers = strangers or {}
      strangers[#strangers + 1] = key
    end
  end
  if strangers and not strangers[2] then
    number_of(strangers[1])
  elseif strangers and not host.number_strangers(strangers) then
    error("pairs: " .. NO_ORDER, level + 1)
  end
  if not in_order and n > 1 then
    sort(keys, less)
  end
  return keys, n
end

local function iterate(t)
  local keys, n = ordered_keys(t, 3)
  local i = 0
  return function(_, last)
    if last == nil then
      i = 0 -- a new walk with the same iterator
    end
    while i < n do
      i = i + 1
      local value = rawget(t, keys[i])
      if value ~= nil then
        return keys[i], value
      end
    end
  end
end

host["_G.pairs"] = function(t)
  local metatable = getmetatable(t)
  if rawequal(metatable, host.LAZY) then
    host.load_lazy(t)
    metatable = getmetatable(t)
  end
  local custom = metatable and rawget(metatable, "__pairs")
  if custom then
    return custom(t)
  end
  if type(t) ~= "table" then
    error("bad argument #1 to 'pairs' (table expected, got " .. type(t) .. ")", 2)
  end
  return iterate(t), t, nil
end

-- The first key in order, or nil when there are only tables and functions. It is asked again and again by code that
-- takes keys out of a table, or looks whether it is empty: so nothing is sorted.
local function first_key(t)
  local first, first_rank = nil, 4
  for key in next, t do
    local rank = RANK[type(key)] or 4
    if rank < first_rank or (rank == first_rank and (rank < 3 and key < first or rank == 3 and not key)) then
      first, first_rank = key, rank
    end
  end
  return first
end

-- The traversal that `next` is in: a loop over the same table asks for its keys one by one.
local walked, walked_keys, walked_places

host["_G.next"] = function(t, key)
  if rawequal(getmetatable(t), host.LAZY) then
    host.load_lazy(t)
  end
  if type(t) ~= "table" then
    error("bad argument #1 to 'next' (table expected, got " .. type(t) .. ")", 2)
  end
  local at = 0
  if key == nil then
    walked = nil
    local first = first_key(t)
    if first ~= nil then
      return first, rawget(t, first)
    elseif next(t) == nil then
      return nil
    end
  end
  if not rawequal(walked, t) or (key ~= nil and not walked_places[key]) then
    walked, walked_keys, walked_places = t, ordered_keys(t, 2), {}
    for i = 1, #walked_keys do
      walked_places[walked_keys[i]] = i
    end
  end
  if key ~= nil then
    at = walked_places[key] or error("invalid key to 'next'", 2)
  end
  for i = at + 1, #walked_keys do
    local value = rawget(t, walked_keys[i])
    if value ~= nil then
      return walked_keys[i], value
    end
  end
  walked = nil
  return nil
end

-- Lua's own sort picks pivots by clock and address; this merge sort is stable.
local function merge_sort(items, n, before)
  local from, to, width = items, {}, 1
  while width < n do
    for low = 1, n, 2 * width do
      local middle = low + width <= n and low + width or n + 1
      local high = low + 2 * width <= n and low + 2 * width or n + 1
      local a, b = low, middle
      for i = low, high - 1 do
        if a < middle and (b >= high or not before(from[b], from[a])) then
          to[i], a = from[a], a + 1
        else
          to[i], b = from[b], b + 1
        end
      end
    end
    from, to, width = to, from, width * 2
  end
  return from
end

local function default_before(a, b)
  return a < b
end

host["table.sort"] = function(t, before)
  if before ~= nil and type(before) ~= "function" then
    error("bad argument #2 to 'sort' (function expected, got " .. type(before) .. ")", 2)
  end
  local n = #t
  local items = {}
  for i = 1, n do
    items[i] = t[i]
  end
  items = merge_sort(items, n, before or default_before)
  for i = 1, n do
    t[i] = items[i]
  end
end
