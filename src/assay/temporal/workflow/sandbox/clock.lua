-- `os.time`, `os.date` and `os.clock`, based on the workflow's time. Time zone is UTC, so that machines agree.
local host = ...

local floor, tointeger = math.floor, math.tointeger
local next, pcall, type = next, pcall, type
local raw_date, raw_time = os.date, os.time
local sub = string.sub

local MIN_INT, MAX_INT = -1 << 31, (1 << 31) - 1
local MAX_FORMAT = 1000 -- bytes: C takes microseconds for each conversion

local now, started = host.method("workflow", "now"), host.method("workflow", "started")

local function days_from_civil(year, month, day)
  year = year + (month - 1) // 12
  month = (month - 1) % 12 + 1
  year = month <= 2 and year - 1 or year
  local era = year // 400
  local year_of_era = year - era * 400
  local day_of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468
end

-- Return a field of a date table, which must fit into a C `int` after `delta` is subtracted, as in Lua's `os.time`.
local function field(t, name, default, delta)
  local value = t[name]
  local number = tointeger(value)
  if not number then
    if value ~= nil then
      host.raise("field '" .. name .. "' is not an integer")
    elseif not default then
      host.raise("field '" .. name .. "' missing in date table")
    end
    return default
  elseif number > MAX_INT + delta or number < MIN_INT + delta then
    host.raise("field '" .. name .. "' is out-of-bound")
  end
  return number
end

host["os.time"] = function(...)
  local t = ...
  if t == nil then
    return floor(now())
  elseif type(t) ~= "table" then
    return host.call_raw(raw_time, ...)
  end
  local year, month, day = field(t, "year", nil, 1900), field(t, "month", nil, 1), field(t, "day", nil, 0)
  local hour, min, sec = field(t, "hour", 12, 0), field(t, "min", 0, 0), field(t, "sec", 0, 0)
  local seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + min * 60 + sec
  local is_date, date = pcall(raw_date, "!*t", seconds)
  if not is_date then
    host.raise("time result cannot be represented in this installation")
  end
  for name, value in next, date do -- normalized, as by Lua's `os.time`
    t[name] = value
  end
  return seconds
end

host["os.date"] = function(...)
  local format, seconds = ...
  if format == nil then
    format = "%c"
  elseif type(format) ~= "string" then
    return host.call_raw(raw_date, ...)
  elseif #format > MAX_FORMAT then
    host.raise("os.date: a format of " .. #format .. " bytes is too long for a workflow (at most " .. MAX_FORMAT .. ")")
  end
  if sub(format, 1, 1) ~= "!" then
    format = "!" .. format
  end
  return host.call_raw(raw_date, format, seconds == nil and floor(now()) or seconds)
end

host["os.clock"] = function()
  return now() - started()
end
