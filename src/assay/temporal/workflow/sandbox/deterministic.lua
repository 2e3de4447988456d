-- Deterministic replacements of everything that depends on clock, randomness, hash order, addresses or the garbage
-- collector. The parts are loaded on demand: `clock.lua`, `random.lua`, `order.lua` (with `object_ids.lua`),
-- `tostring.lua`, `metatables.lua`. For limits, see `limits.lua`, `guards.lua`, `patterns.lua`, `library_limits.lua`.
local host = ...

-- Objects get ids in an order that replays repeat. The ids are shown instead of addresses, and order keys.

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

host.tostring = nil -- replaced on demand by `tostring.lua`
host.globals.warn = nil

host.is_reading = false -- whether a condition is being evaluated
host.is_live = false -- whether this is the copy of a side effect, with the real clock and real randomness
