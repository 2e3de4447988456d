-- Outcomes that `bind.lua` does not handle itself.
local host = ...

local running = coroutine.running
local getinfo = debug.getinfo
local format = string.format
local select, unpack = select, table.unpack

host.CANNOT_WAIT =
  "cannot wait here: Lua cannot suspend a table.sort comparator, a string.gsub callback or a __tostring metamethod"

-- Raise an error message with the position where the script called the builtin, skipping private frames.
local function raise(message)
  local level = 2
  local info = getinfo(level, "S")
  while info and host.is_private(info) do
    level = level + 1
    info = getinfo(level, "S")
  end
  if info and info.what == "C" and not getinfo(level + 2, "l") then -- the xpcall that began the task: after a tail call
    local file, line = host.beginning((running()))
    if file then
      error(format("%s:%d: %s", file, line, message), 0)
    end
  end
  error(message, level)
end

host.raise = raise

local guard_metatable = {
  __gc = function(guard)
    host.released[#host.released + 1] = guard.id
  end,
}

-- Return a table that keeps the Python object `id` alive until it is collected itself.
function host.guard(id)
  return setmetatable({ id = id }, guard_metatable)
end

local function to_array(ok, ...)
  if ok then
    return { ... }
  end
  error((...), 0)
end

local function reraise(ok, ...)
  if ok then
    return ...
  end
  error((...), 0)
end

local function wire_results(text, ...)
  local results = host.decode(text, { ... })
  local count = #results
  for i = 1, count do
    if results[i] == host.null then
      results[i] = nil
    end
  end
  return unpack(results, 1, count)
end

local function json_results(text, ...)
  if text == nil then
    return
  end
  local value, problem = host.decode_value(text)
  if problem then
    error(problem, 0)
  elseif value == host.null then
    value = nil
  end
  if select("#", ...) == 0 then
    return value
  end
  return value, json_results(...)
end

local function fields(items, from, count)
  local out = {}
  for i = from, from + 2 * count - 1, 2 do
    out[items[i]] = items[i + 1]
  end
  return out, from + 2 * count
end

local function record(...)
  local items = { ... }
  local out, position = fields(items, 2, items[1])
  while items[position] do
    local name, inner = items[position], nil
    inner, position = fields(items, position + 2, items[position + 1])
    out[name] = inner
  end
  return out
end

function host.finish_other(name, tag, ...)
  if tag == "w" then
    host.ask("cancel", ...)
    raise(name .. ": " .. host.CANNOT_WAIT)
  elseif tag == "t" then
    local text = ...
    return (host.decode(text, { select(2, ...) }))
  elseif tag == "j" then
    return json_results(...)
  elseif tag == "s" then
    return record(...)
  elseif tag == "m" then
    return wire_results(...)
  elseif tag == "k" then
    return to_array(host.outcome(...))
  elseif tag == "r" then
    return reraise(host.outcome(...))
  elseif tag == "f" then
    local origin, text = ...
    error(host.make_error(host.decode(text, { select(3, ...) }), origin), 0)
  end
  raise((...))
end
