-- Randomness of `math`: the run's own.
local host = ...

local tointeger = math.tointeger
local raw_random, raw_randomseed = math.random, math.randomseed
local select = select

local entropy, seed = host.method("workflow", "entropy"), host.method("workflow", "seed")

raw_randomseed(seed())

local function live_random(low, high)
  local bits = entropy()
  if low == nil then
    return (bits >> 11) * 2.0 ^ -53
  elseif high == nil then
    low, high = 1, low
  end
  low, high = tointeger(low), tointeger(high)
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

host["math.random"] = function(...)
  if host.is_reading then
    error("math.random: not allowed in a wait_condition predicate: predicates must be read-only", 2)
  elseif host.is_live then
    return live_random(...)
  end
  return raw_random(...)
end

host["math.randomseed"] = function(...)
  if select("#", ...) == 0 then
    return raw_randomseed(seed())
  end
  return raw_randomseed(...)
end
