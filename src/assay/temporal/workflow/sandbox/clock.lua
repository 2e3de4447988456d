-- The clock of `os`: the workflow's, in UTC, so that two machines agree.
local host = ...

local floor, tointeger = math.floor, math.tointeger
local next = next
local raw_date = os.date
local sub = string.sub

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

host["os.time"] = function(t)
  if t == nil then
    return floor(now())
  end
  local function field(name, default)
    local value = t[name]
    if value == nil and default == nil then
      error("field '" .. name .. "' missing in date table", 3)
    end
    return tointeger(value or default) or error("field '" .. name .. "' is not an integer", 3)
  end
  local days = days_from_civil(field("year"), field("month"), field("day"))
  local seconds = days * 86400 + field("hour", 12) * 3600 + field("min", 0) * 60 + field("sec", 0)
  for name, value in next, raw_date("!*t", seconds) do -- normalized, as Lua's own does it
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
