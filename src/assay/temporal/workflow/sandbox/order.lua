-- `pairs` and `next` in sorted order instead of hash order, and a deterministic `table.sort`.
--
-- Numbers come first, then strings, booleans, and objects in the order of their ids (`object_ids.lua`).
local host = ...

local error, getmetatable, next, rawequal, rawget, type = error, debug.getmetatable, next, rawequal, rawget, type
local huge = math.huge
local raw_pairs, raw_sort, remove = pairs, table.sort, table.remove
local setmetatable = setmetatable

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

local MAX_SORTED = 1e6 -- keys and bytes in them that are sorted in C, where no hook is called

local NO_ORDER = "two keys are tables or functions with the same contents, which have no deterministic order"

-- Return whether `t` has a `__newindex` field added by `metatables.lua`, which scripts must not see.
local function has_guard(t)
  local keep_out = rawget(host, "keep_out")
  return keep_out and rawget(t, "__newindex") == keep_out
end

-- Return the keys of `t` in order, and their number.
local function ordered_keys(t)
  local keys, n, in_order, unnumbered = {}, 0, true, nil
  local bytes = 0 -- total length of all keys; huge if they are not all strings
  for key in next, t do
    n = n + 1
    keys[n] = key
    in_order = in_order and key == n
    local kind = type(key)
    bytes = kind == "string" and bytes + #key or huge
    if not RANK[kind] and not numbers[key] then
      unnumbered = unnumbered or {}
      unnumbered[#unnumbered + 1] = key
    end
  end
  if unnumbered and not unnumbered[2] then
    number_of(unnumbered[1])
  elseif unnumbered and not host.assign_object_ids(unnumbered) then
    host.raise("pairs: " .. NO_ORDER)
  end
  if not in_order and n > 1 then
    if n + bytes <= MAX_SORTED then
      raw_sort(keys)
    else
      raw_sort(keys, less)
    end
  end
  if has_guard(t) then
    for i = 1, n do
      if keys[i] == "__newindex" then
        remove(keys, i)
        return keys, n - 1
      end
    end
  end
  return keys, n
end

local next_entry

-- Return the iterator of a `pairs` loop. It visits the keys that exist at the beginning of the loop.
local function iterate(t)
  local keys, n = ordered_keys(t)
  local i, at = 0, nil
  return function(of, key)
    if not rawequal(key, at) or not rawequal(of, t) then -- called outside of the loop
      return next_entry(of, key)
    end
    while i < n do
      i = i + 1
      local value = rawget(t, keys[i])
      if value ~= nil then
        at = keys[i]
        return at, value
      end
    end
    i, at = 0, nil
    return nil
  end
end

host["_G.pairs"] = function(...)
  local t = ...
  local metatable = getmetatable(t)
  if rawequal(metatable, host.LAZY) then
    host.load_lazy(t)
    metatable = getmetatable(t)
  end
  local custom = metatable and rawget(metatable, "__pairs")
  if type(custom) == "function" then
    return custom(t)
  elseif custom ~= nil or type(t) ~= "table" then
    return host.call_raw(raw_pairs, ...)
  end
  return iterate(t), t, nil
end

-- Return the first key in order, or nil if all keys are objects. It does not sort, because scripts call `next(t)`
-- repeatedly to take keys out of a table or to check whether it is empty.
local function first_key(t)
  if has_guard(t) then
    return ordered_keys(t)[1]
  end
  local first, first_rank = nil, 4
  for key in next, t do
    local rank = RANK[type(key)] or 4
    if rank < first_rank or (rank == first_rank and (rank < 3 and key < first or rank == 3 and not key)) then
      first, first_rank = key, rank
    end
  end
  return first
end

-- Traversals by `next`: table -> its keys in order, and the index of each key. Keys that are cleared during a traversal
-- keep their index.
local traversals = setmetatable({}, host.WEAK_KEYS)

local first_keys = setmetatable({}, host.WEAK_KEYS) -- table -> first key of its last traversal, possibly cleared since

-- Return the current traversal of `t` if it has `key`, or a new one.
local function traversal_with(t, key)
  local traversal = traversals[t]
  if not traversal or key ~= nil and not traversal.indices[key] then
    local keys, n = ordered_keys(t)
    local indices = {}
    for i = 1, n do
      indices[keys[i]] = i
    end
    traversal = { keys = keys, n = n, indices = indices }
    traversals[t] = traversal
  end
  return traversal
end

function next_entry(t, key)
  if key == nil then
    traversals[t] = nil
    local first = first_key(t)
    if first ~= nil then
      first_keys[t] = first
      return first, rawget(t, first)
    elseif next(t) == nil then
      return nil
    end
  end
  local traversal = traversal_with(t, key)
  local index = 0
  if key ~= nil then
    index = traversal.indices[key] or rawequal(first_keys[t], key) and 0 or error("invalid key to 'next'", 0)
  end
  for i = index + 1, traversal.n do
    local value = rawget(t, traversal.keys[i])
    if value ~= nil then
      return traversal.keys[i], value
    end
  end
  traversals[t] = nil
  return nil
end

host["_G.next"] = function(...)
  local t, key = ...
  if rawequal(getmetatable(t), host.LAZY) then
    host.load_lazy(t)
  end
  if type(t) ~= "table" then
    return host.call_raw(next, ...)
  end
  return next_entry(t, key)
end

-- Stable merge sort. Lua's built-in sort picks pivots by clock and address.
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

-- Compare two items like Lua's built-in sort without a function, including metamethods and errors.
local function default_before(a, b)
  local kind = type(a)
  if (kind == "number" or kind == "string") and type(b) == kind then
    return a < b
  end
  local pair = { b, a }
  raw_sort(pair) -- in C, so that an error has no line of this file
  return rawequal(pair[1], a)
end

host["table.sort"] = function(...)
  local t, before = ...
  if type(t) ~= "table" or before ~= nil and type(before) ~= "function" then
    return host.call_raw(raw_sort, ...)
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
