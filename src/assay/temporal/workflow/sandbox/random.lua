-- `math.random` and `math.randomseed`, seeded from the run's random numbers, or in the copy of a side effect at random.
local host = ...

local raw_random, raw_randomseed = math.random, math.randomseed
local select = select

local seed = host.method("workflow", "seed")

raw_randomseed(seed())

host["math.random"] = function(...)
  if host.is_reading then
    host.raise("math.random: not allowed in a wait_condition predicate: predicates must be read-only")
  end
  return host.call_raw(raw_random, ...)
end

host["math.randomseed"] = function(...)
  if select("#", ...) == 0 then
    return raw_randomseed(seed())
  end
  return host.call_raw(raw_randomseed, ...)
end
