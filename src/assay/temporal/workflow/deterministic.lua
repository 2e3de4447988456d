-- The deterministic side: what a workflow's state has in place of clock, randomness, hash order and addresses. Each part
-- of it is loaded when it is first needed: `clock.lua`, `random.lua`, `order.lua`, `texts.lua`, `patterns.lua`.
-- (`limits.lua` and `guards.lua` replace what could take too long.)
local host = ...

local G = host.globals

-- Objects are numbered in an order that a replay repeats: the number is shown in place of the address.

local numbers, last_number = setmetatable({}, host.WEAK_KEYS), 0

function host.number_of(object)
  local number = numbers[object]
  if not number then
    number = last_number + 1
    numbers[object], last_number = number, number
  end
  return number
end

host.numbers = numbers

host.replace("math", "random", "randomseed")
host.replace("os", "clock", "date", "getenv", "time")
host.replace("string", "find", "format", "gmatch", "gsub", "match")
host.replace("table", "sort")
host.replace(nil, "collectgarbage", "next", "pairs", "setmetatable", "tostring")
host.tostring = nil -- that of `texts.lua`
G.warn = nil

host.is_reading = false -- a condition is being asked
host.is_live = false -- the real clock and randomness are there: in the copy of a run in which a side effect runs

-- The run ------------------------------------------------------------------------------------------------

local function decoded(text, ...)
  if not text then
    return
  end
  local value = host.decode_value(text)
  if value == host.null then
    value = nil
  end
  return value, decoded(...)
end

local function run(fn, context, ...)
  return fn(host.handle("Context", context), decoded(...))
end

-- Make the task of the workflow function in a snapshot; its arguments come as JSON texts.
function host.begin(snapshot, context, ...)
  local fn = host.restore(snapshot)
  host.restore = nil -- it was used once, and is found again when a copy of the run needs it
  local task = host.spawn("json", run, fn, context, ...)
  collectgarbage() -- what building the state has left behind: there are many
  return task
end
