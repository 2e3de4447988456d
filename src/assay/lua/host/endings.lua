-- The end of tasks: events for Python, outcomes for Lua code that awaits a task; and where tasks wait.
local host = ...

local raw_close, raw_traceback = coroutine.close, debug.traceback
local concat, pack, unpack = table.concat, table.pack, table.unpack
local find, format, gmatch = string.find, string.format, string.gmatch
local getmetatable, next, type = getmetatable, next, type

local tasks, roots, deliver, first, tracebacks = host.tasks, host.roots, host.deliver, host.first, host.tracebacks

local MAX_ITEMS = 64 -- keys and values of a table that is passed as a record
local TAIL_CALLS = "^%s*%(%.%.%.tail calls"

local outcomes = {} -- id -> outcome for `host.outcome`

-- Return a traceback without private frames, the C functions that they call and the tail calls that led to them; "" if
-- no other frame remains.
local function cleaned(traceback)
  local lines = {}
  local below_host, c_function = false, nil
  for line in gmatch(traceback, "[^\n]+") do
    if find(line, "^%s*%[assay%]") or find(line, "^%s*%?:") then
      below_host, c_function = true, nil
    elseif not (below_host and find(line, TAIL_CALLS)) then
      lines[#lines + 1] = c_function
      below_host, c_function = false, nil
      if find(line, "^%s*%[C%]: in ") then
        c_function = line
      else
        lines[#lines + 1] = line
      end
    end
  end
  if lines[1] and find(lines[#lines], TAIL_CALLS) then
    lines[#lines] = nil
  end
  return #lines > 1 and concat(lines, "\n") or ""
end

-- Return the event for an error: "error", message, traceback, the id of the Python exception behind it (or 0), and its
-- value as wire, if it is a serializable table.
local function failure(value, traceback)
  local message = host.message_of(value)
  local text, attachments
  if type(value) == "table" then
    text, attachments = host.encode(value, "wire")
  end
  local origin = host.origin_of(value)
  if not text then
    return "error", message, traceback, origin
  end
  return "error", message, traceback, origin, text, unpack(attachments)
end

-- Append the keys and values of `t` to `items`, which has `count` items. If `inner` is given, the keys of tables are
-- appended to it instead. Returns the new count; nil if `t` has other values, other keys than strings, or too many.
local function append(items, count, t, inner)
  for key, value in next, t do
    local kind = type(value)
    if type(key) ~= "string" or count > MAX_ITEMS then
      return nil
    elseif kind == "string" or kind == "number" or kind == "boolean" then
      items[count + 1], items[count + 2] = key, value
      count = count + 2
    elseif kind == "table" and inner and next(value) ~= nil and not getmetatable(value) then
      inner[#inner + 1] = key
    else
      return nil
    end
  end
  return count
end

-- Return a small table of plain values, and of tables of plain values, as a record (see `bind.lua`), which is passed
-- faster than wire; nil for other values.
local function fields(t)
  if type(t) ~= "table" or next(t) == nil or getmetatable(t) then
    return nil
  end
  local items, inner = { 0 }, {}
  local count = append(items, 1, t, inner)
  if not count then
    return nil
  end
  items[1] = (count - 1) // 2
  for i = 1, #inner do
    local start = count
    count = append(items, start + 2, t[inner[i]])
    if not count then
      return nil
    end
    items[start + 1], items[start + 2] = inner[i], (count - start - 2) // 2
  end
  return items
end

-- Remove a task; returns the format of its result, and its coroutine.
local function finish(id)
  local co, delivery = tasks[id], deliver[id]
  tasks[id], deliver[id], roots[co] = nil, nil, nil
  return delivery, co
end

-- Return the event for the end of a task. `ok` is nil if its coroutine has died.
function host.ended(id, ok, result, ...)
  local delivery, co = finish(id)
  if ok == nil then
    tracebacks[co] = raw_traceback(co)
  end
  if delivery == "keep" then
    outcomes[id] = pack(ok or false, result, ...)
    if ok then
      return "done"
    end
  end
  if not ok then
    return failure(result, cleaned(tracebacks[co] or "")) -- Lua gives no traceback for a memory error
  end
  local kind = type(result)
  if result == nil then
    return "done"
  elseif delivery ~= "json" and (kind == "string" or kind == "number" or kind == "boolean") then
    return "done", result
  end
  local items = delivery == "call" and fields(result)
  if items then
    return "fields", unpack(items)
  end
  local text, attachments
  if delivery == "json" then
    text, attachments = host.encode_value(result)
  else
    text, attachments = host.encode(result, delivery)
  end
  if not text then
    return "unfit", attachments
  elseif attachments then
    return "done", nil, text, unpack(attachments)
  end
  return "json", text
end

-- Take the outcome of an ended task: true and its results, or false and its error.
function host.outcome(id)
  local outcome = outcomes[id]
  outcomes[id] = nil
  return unpack(outcome, 1, outcome.n)
end

-- Take the results of a task as an array, if it has completed without an error; else return nil.
function host.results(id)
  local outcome = outcomes[id]
  if outcome and outcome[1] then
    outcomes[id] = nil
    return { unpack(outcome, 2, outcome.n) }
  end
end

-- Return a traceback of where task `id` waits.
function host.where(id)
  local co = tasks[id]
  local where = co and cleaned(raw_traceback(co)) or ""
  if where == "" and co then
    local file, line = host.beginning(co)
    where = file and format("stack traceback:\n\t%s:%d: in function <%s:%d>", file, line, file, line) or ""
  end
  return where
end

-- Discard a task that never began.
function host.drop(id)
  first[id] = nil
  local _, co = finish(id)
  raw_close(co)
end

-- Discard the outcome of a task.
function host.forget(id)
  outcomes[id] = nil
end
