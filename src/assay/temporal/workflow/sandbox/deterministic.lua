-- The deterministic side: what a workflow's state has in place of clock, randomness, hash order and addresses. Each part
-- of it is loaded when it is first needed: `clock.lua`, `random.lua`, `order.lua` (with `object_ids.lua`), `texts.lua`,
-- `metatables.lua`. (`limits.lua`, `guards.lua` and `patterns.lua` see to what could take too long.)
local host = ...

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

host.tostring = nil -- that of `texts.lua` is loaded
host.globals.warn = nil

host.is_reading = false -- a condition is being asked
host.is_live = false -- the real clock and randomness are there: in the copy of a run in which a side effect runs
