-- The clock of `os`: the workflow's, in UTC, so that two machines agree.
local host = ...

local floor, tointeger = math.floor, math.tointeger
local error, next, pcall, type = error, next, pcall, type
local raw_date = os.date
local sub = string.sub

local now, started = host.method("workflow", "now"), host.method("workflow", "started")

local MIN_INT, MAX_INT = -(1 << 31), (1 << 31) - 1

local function days_from_civil(year, month, day)
  year = year + (month - 1) // 12
  month = (month - 1) % 12 + 1
  year = month <= 2 and year - 1 or year
  local era = year // 400
  local year_of_era = year - era * 400
  local day_of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468
end

-- A field of a date table, which fits into a C int like those of Lua's own `os.time`.
local function field(t, name, default, delta)
  local value = t[name]
  if value == nil and default == nil then
    error("field '" .. name .. "' missing in date table", 3)
  end
  value = tointeger(value or default) or error("field '" .. name .. "' is not an integer", 3)
  if not (value >= MIN_INT + delta and value <= MAX_INT + delta) then
    error("field '" .. name .. "' is out-of-bound", 3)
  end
  return value
end

host["os.time"] = function(t)
  if t == nil then
    return floor(now())
  elseif type(t) ~= "table" then
    error("bad argument #1 to 'time' (table expected, got " .. host.describe(t) .. ")", 2)
  end
  local year, month, day = field(t, "year", nil, 1900), field(t, "month", nil, 1), field(t, "day", nil, 0)
  local hour, min, sec = field(t, "hour", 12, 0), field(t, "min", 0, 0), field(t, "sec", 0, 0)
  local seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + min * 60 + sec
  local known, date = pcall(raw_date, "!*t", seconds)
  if not known then
    error("time result cannot be represented in this installation", 2)
  end
  for name, value in next, date do -- normalized, as Lua's own does it
    t[name] = value
  end
  return seconds
end

host["os.date"] = function(what, seconds)
  what = what or "%c"
  if sub(what, 1, 1) ~= "!" then
    what = "!" .. what
  end
  return raw_date(what, seconds or floor(now()))
end

host["os.clock"] = function()
  return now() - started()
end
