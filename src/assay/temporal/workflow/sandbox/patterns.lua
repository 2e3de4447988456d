-- `string.find`, `match`, `gmatch` and `gsub`. The built-in matcher is C code, to which no limit applies, so a call
-- that could take longer than about 0.1 seconds uses the matcher in `matcher.lua`.
local host = ...

local byte, find = string.byte, string.find
local raw = { find = string.find, gmatch = string.gmatch, gsub = string.gsub, match = string.match }
local tointeger = math.tointeger
local pack, unpack = table.pack, table.unpack
local pcall, tostring, type = pcall, tostring, type

local MAX_STEPS = 1e7 -- steps of the built-in matcher in about 0.1 seconds
local SHORT = 16 -- bytes of a character class, and of a pattern, whose cost is negligible
local REPLACEMENT_STEPS = { ["function"] = 3, number = 3, string = 3, table = 12 } -- steps of a replacement
local MAX_PLAIN = 5e8 -- byte comparisons of a plain search in that time
local MAX_PATTERN = 10000 -- bytes of a pattern with special characters
local MAX_CACHED = 100 -- patterns whose costs are cached

local ESCAPE, OPEN, CLOSE, LEFT, RIGHT, CARET = byte("%()[]^", 1, -1)
local STAR, PLUS, MINUS, QUESTION, ZERO, NINE, B, F = byte("*+-?09bf", 1, -1)

-- Return the position after the single character class at `pi`.
local function class_end(p, pi)
  local c = byte(p, pi)
  pi = pi + 1
  if c == ESCAPE then
    if pi > #p then
      host.raise("malformed pattern (ends with '%')")
    end
    return pi + 1
  elseif c == LEFT then
    if byte(p, pi) == CARET then
      pi = pi + 1
    end
    repeat
      local inner = byte(p, pi)
      if not inner then
        host.raise("malformed pattern (missing ']')")
      end
      pi = pi + (inner == ESCAPE and 2 or 1)
    until byte(p, pi) == RIGHT
    return pi + 1
  end
  return pi
end

host.class_end = class_end

-- Return the maximum cost of matching a string of n bytes, in steps of the built-in matcher: `weight` and `power` of
-- weight * n ^ power. Each start position, and each repetition that may have to backtrack, multiplies the cost of the
-- rest of the pattern; a character is compared with all members of a class.
local function cost(p)
  local pi, power, weight, pending, longest = 1, 1, 1, 0, 0
  if byte(p) == CARET then
    pi, power = 2, 0
  end
  while pi <= #p do
    local c, after = byte(p, pi, pi + 1)
    if c == OPEN or c == CLOSE then
      pi = pi + 1
    else
      power, pending = power + pending, 0
      local ep
      if c == ESCAPE and after == B then
        power, ep = power + 1, pi + 4 -- may scan to the end without finding the closing character
      elseif c == ESCAPE and after == F then
        ep = class_end(p, pi + 2)
      elseif c == ESCAPE and after and after >= ZERO and after <= NINE then
        power, ep = power + 1, pi + 2
      else
        ep = class_end(p, pi)
        local quantifier = byte(p, ep)
        if quantifier == STAR or quantifier == PLUS or quantifier == MINUS then
          pending = 1
        elseif quantifier == QUESTION then
          weight = weight * 2
        end
        if quantifier and (pending == 1 or quantifier == QUESTION) then
          ep = ep + 1
        end
      end
      longest = ep - pi > longest and ep - pi or longest
      pi = ep
    end
  end
  return weight * (longest > SHORT and longest or 1) + #p // SHORT, power
end

local costs, cost_count = {}, 0 -- pattern -> { weight, power }, or false if it is malformed

local function cost_of(p)
  local cached = costs[p]
  if cached == nil then
    local ok, weight, power = pcall(cost, p)
    if not ok then
      host.check_limit(weight)
    end
    cached = ok and { weight, power }
    if cost_count == MAX_CACHED then
      costs, cost_count = {}, 0
    end
    costs[p], cost_count = cached, cost_count + 1
  end
  return cached
end

local function is_text(value)
  return type(value) == "string" or type(value) == "number"
end

-- Return whether a call can use the built-in function. Invalid calls do, for Lua's error message.
local function is_native(name, s, p, factor)
  if not is_text(s) or not is_text(p) then
    return true
  end
  p = tostring(p)
  if #p > MAX_PATTERN then
    host.raise(name .. ": a pattern of " .. #p .. " bytes is too long for a workflow (at most " .. MAX_PATTERN .. ")")
  end
  local pattern_cost = cost_of(p)
  return not pattern_cost or factor * pattern_cost[1] * (#tostring(s)) ^ pattern_cost[2] <= MAX_STEPS
end

-- Return an optional integer argument. If it is invalid, calls the built-in function with `...` and the value, which
-- raises the error.
local function optional(fn, value, ...)
  local number = tointeger(value)
  if value ~= nil and not number then
    local arguments = pack(...)
    arguments[arguments.n + 1] = value
    host.call_raw(fn, unpack(arguments))
  end
  return number
end

host["string.find"] = function(...)
  local s, p, init, plain = ...
  if type(s) == "string" and type(p) == "string" and (plain or not find(p, "[%^$*+?.(%[%%-]")) then
    if #s * #p > MAX_PLAIN then
      host.raise("string.find: a search for " .. #p .. " bytes in " .. #s .. " bytes is too expensive for a workflow")
    end
  elseif not is_native("string.find", s, p, 1) then
    return host.match_find(tostring(s), tostring(p), optional(raw.find, init, "", ""))
  end
  return host.call_raw(raw.find, ...)
end

host["string.match"] = function(...)
  local s, p, init = ...
  if is_native("string.match", s, p, 1) then
    return host.call_raw(raw.match, ...)
  end
  return host.match_match(tostring(s), tostring(p), optional(raw.match, init, "", ""))
end

host["string.gmatch"] = function(...)
  local s, p, init = ...
  if is_native("string.gmatch", s, p, 1) then
    return host.call_raw(raw.gmatch, ...)
  end
  return host.match_gmatch(tostring(s), tostring(p), optional(raw.gmatch, init, "", ""))
end

host["string.gsub"] = function(...)
  local s, p, by, limit = ...
  local factor = REPLACEMENT_STEPS[type(by)]
  if not factor or is_native("string.gsub", s, p, factor) then
    return host.note(host.call_raw(raw.gsub, ...))
  end
  return host.match_gsub(tostring(s), tostring(p), by, optional(raw.gsub, limit, "", "", ""))
end
