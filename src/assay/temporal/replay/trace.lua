-- Records the script line of each builtin call, so that a replay can report the line behind a step.
local host = ...

local running = coroutine.running
local getinfo = debug.getinfo
local find, sub = string.find, string.sub
local type = type

local MAX_CALLS = 1000 -- recorded between two reads

local calls, count = {}, 0
local number = 0 -- sequence number of the last call in the run

local function place()
  local level = 3
  local info = getinfo(level, "Sl")
  while info do
    if info.currentline > 0 and not host.is_private(info) then
      local name = sub(info.source, 1, 1) == "@" and sub(info.source, 2) or info.short_src
      return name .. ":" .. info.currentline
    end
    level = level + 1
    info = getinfo(level, "Sl")
  end
  local file, line = host.beginning((running()))
  return file and file .. ":" .. line or ""
end

local call = host.call

function host.call(index, ...)
  number = number + 1
  if count < MAX_CALLS then
    local _, first, options = ...
    local has_timeout = type(options) == "string" and find(options, '"timeout"', 1, true) ~= nil
    count = count + 1
    calls[count] = { index, type(first) == "string" and first or "", has_timeout, place(), number }
  end
  return call(index, ...)
end

local taken = 0

-- Returns the next recorded call: the index of its builtin, its first argument if that is a string, whether its options
-- have a timeout, its line and its sequence number. Returns nil after the last.

function host.take_call()
  taken = taken + 1
  local item = calls[taken]
  if not item then
    calls, count, taken = {}, 0, 0
    return nil
  end
  return item[1], item[2], item[3], item[4], item[5]
end
