-- The deterministic side: what a workflow's state has in place of clock, randomness, hash order and addresses.
-- (`patterns.lua` and `limits.lua` replace what could take too long.) `internal` is the library "workflow" of library.py.
local host = ...

local G = host.globals
local internal = {}
host.fill(internal, "_.workflow")

host.cpu_spent, host.memory_limit = internal.cpu_spent, internal.memory_limit

local floor = math.floor
local format, gsub, sub = string.format, string.gsub, string.sub
local pack, unpack, sort = table.pack, table.unpack, table.sort
local raw_date, raw_random, raw_randomseed, raw_setmetatable, raw_tostring =
  os.date, math.random, math.randomseed, setmetatable, tostring
local getmetatable, next, rawequal, rawget, rawlen, type = debug.getmetatable, next, rawequal, rawget, rawlen, type

-- In the copy of a run in which a side effect runs, the real clock and randomness are there.
local live = false

function host.be_copy(is_live)
  live = is_live
  host.stub_advice = "stays in the workflow: side effects and query handlers only read"
end

local function replace(library, name, fn)
  G[library][name] = fn
  host.names[fn] = library .. "." .. name
end

local function replace_global(name, fn)
  G[name] = fn
  host.names[fn] = name
end

-- Clock: the workflow's, in UTC, so that two machines agree --------------------------------------------

local function days_from_civil(year, month, day)
  year = year + (month - 1) // 12
  month = (month - 1) % 12 + 1
  year = month <= 2 and year - 1 or year
  local era = year // 400
  local year_of_era = year - era * 400
  local day_of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468
end

replace("os", "time", function(t)
  if t == nil then
    return floor(internal.now())
  end
  local function field(name, default)
    local value = t[name]
    if value == nil and default == nil then
      error("field '" .. name .. "' missing in date table", 3)
    end
    return math.tointeger(value or default) or error("field '" .. name .. "' is not an integer", 3)
  end
  local days = days_from_civil(field("year"), field("month"), field("day"))
  return days * 86400 + field("hour", 12) * 3600 + field("min", 0) * 60 + field("sec", 0)
end)

replace("os", "date", function(what, seconds)
  what = what or "%c"
  if sub(what, 1, 1) ~= "!" then
    what = "!" .. what
  end
  return raw_date(what, seconds or floor(internal.now()))
end)

replace("os", "clock", function()
  return internal.now() - internal.started()
end)

replace("os", "getenv", function()
  error("os.getenv: the environment differs between machines: read it in an activity", 2)
end)

-- Randomness -------------------------------------------------------------------------------------------

raw_randomseed(internal.seed())

local function live_random(low, high)
  local bits = internal.entropy()
  if low == nil then
    return (bits >> 11) * 2.0 ^ -53
  elseif high == nil then
    low, high = 1, low
  end
  low, high = math.tointeger(low), math.tointeger(high)
  if not low or not high then
    error("bad argument to 'random' (number has no integer representation)", 2)
  elseif low == 1 and high == 0 then
    return bits
  elseif low > high then
    error("bad argument to 'random' (interval is empty)", 2)
  end
  local span = high - low + 1
  return low + (span == 0 and bits or (bits >> 1) % span)
end

replace("math", "random", function(...)
  if host.is_reading then
    error("math.random: not in a condition, which only reads", 2)
  elseif live then
    return live_random(...)
  end
  return raw_random(...)
end)

replace("math", "randomseed", function(...)
  if select("#", ...) == 0 then
    return raw_randomseed(internal.seed())
  end
  return raw_randomseed(...)
end)

-- Objects: numbered in an order that a replay repeats, in place of their addresses ------------------------------

local numbers, last_number = raw_setmetatable({}, { __mode = "k" }), 0

local function number_of(object)
  local number = numbers[object]
  if not number then
    number = last_number + 1
    numbers[object], last_number = number, number
  end
  return number
end

local make_handle, create = host.handle, G.coroutine.create

function host.handle(class, id)
  local handle = make_handle(class, id)
  number_of(handle)
  return handle
end

replace("coroutine", "create", function(fn)
  local co = create(fn)
  number_of(co)
  return co
end)

-- Order of tables: keys sorted, not hashed -------------------------------------------------------------

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

local NO_ORDER = "several keys are plain tables or functions, which have no order that a replay could repeat"

-- The keys of `t` in order, and their number; an error is told at `level`.
local function ordered_keys(t, level)
  local keys, n, in_order, stranger = {}, 0, true, nil
  for key in next, t do
    n = n + 1
    keys[n] = key
    in_order = in_order and key == n
    if not RANK[type(key)] and not numbers[key] then
      if stranger then
        error("pairs: " .. NO_ORDER, level + 1)
      end
      stranger = key
    end
  end
  if stranger then
    number_of(stranger)
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

replace_global("pairs", function(t)
  local metatable = getmetatable(t)
  local custom = metatable and rawget(metatable, "__pairs")
  if custom then
    return custom(t)
  end
  if type(t) ~= "table" then
    error("bad argument #1 to 'pairs' (table expected, got " .. type(t) .. ")", 2)
  end
  return iterate(t), t, nil
end)

-- The traversal that `next` is in: a loop over the same table asks for its keys one by one.
local walked, walked_keys, walked_places

replace_global("next", function(t, key)
  if type(t) ~= "table" then
    error("bad argument #1 to 'next' (table expected, got " .. type(t) .. ")", 2)
  end
  local at = 0
  if key == nil then
    if next(t) == nil then
      return nil
    end
    walked = nil
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
end)

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

replace("table", "sort", function(t, before)
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
end)

-- Addresses: a number is shown in their place ------------------------------------------------------------

local function deterministic_tostring(value)
  local kind = type(value)
  if kind == "table" or kind == "function" or kind == "thread" or kind == "userdata" then
    local metatable = getmetatable(value)
    if metatable and rawget(metatable, "__tostring") then
      return raw_tostring(value)
    end
    local name = metatable and rawget(metatable, "__name")
    return format("%s: 0x%08x", type(name) == "string" and name or kind, number_of(value))
  end
  return raw_tostring(value)
end

host.tostring = deterministic_tostring

replace_global("tostring", function(...)
  if select("#", ...) == 0 then
    error("bad argument #1 to 'tostring' (value expected)", 2)
  end
  return deterministic_tostring((...))
end)

replace("string", "format", function(pattern, ...)
  local arguments = pack(...)
  local i = 0
  for options in string.gmatch(gsub(pattern, "%%%%", ""), "%%([%d%.#+ %-]*%a)") do
    i = i + 1
    local conversion = sub(options, -1)
    if conversion == "s" then
      arguments[i] = deterministic_tostring(arguments[i])
    elseif conversion == "p" then
      error("string.format: %p shows an address, which no replay could repeat", 2)
    end
  end
  return format(pattern, unpack(arguments, 1, arguments.n))
end)

-- Garbage collection: nothing a workflow does may depend on when it happens ------------------------------

replace_global("setmetatable", function(t, metatable)
  if type(metatable) == "table" then
    rawset(metatable, "__gc", nil)
    rawset(metatable, "__mode", nil)
    if type(t) == "table" then
      number_of(t)
    end
  end
  return raw_setmetatable(t, metatable)
end)

replace_global("collectgarbage", function()
  return 0
end)

G.warn = nil

-- Patterns: what could take Lua's own matcher too long is not its work -----------------------------------------

host.later("patterns", "find", "match", "gmatch", "gsub")

for _, name in ipairs({ "find", "match", "gmatch", "gsub" }) do
  replace("string", name, function(...)
    return host[name](...)
  end)
end

-- A loop in C over nothing, as often as asked.
local rep = string.rep
replace("string", "rep", function(s, n, separator)
  if s == "" and (separator == nil or separator == "") then
    n = 1
  end
  return rep(s, n, separator)
end)

-- Futures and conditions -----------------------------------------------------------------------------------

host.later("concurrency", "ctx:await_all", "ctx:await_any", "ctx:spawn", "ctx:wait_condition", "future:get")

-- The run ------------------------------------------------------------------------------------------------

-- Restore a snapshot and hold its function; returns the id.
function host.restore_held(snapshot)
  return host.hold(host.restore(snapshot))
end

-- Make the task of the workflow function; its arguments come as JSON texts.
function host.begin(snapshot, context, ...)
  local fn = host.restore(snapshot)
  host.restore = nil -- it was used once, and is found again when a copy of the run needs it
  local texts = pack(...)
  return host.start(
    "json",
    host.hold(function()
      local arguments = {}
      for i = 1, texts.n do
        local value = host.decode_value(texts[i])
        if value ~= host.null then
          arguments[i] = value
        end
      end
      return fn(host.handle("Context", context), unpack(arguments, 1, texts.n))
    end),
    "v"
  )
end
