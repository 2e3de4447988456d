-- Tasks that have ended: the events for Python, or for Lua code that waits for one; and where tasks wait.
local host = ...

local raw_close, raw_traceback = coroutine.close, debug.traceback
local concat, pack, unpack = table.concat, table.pack, table.unpack
local find, format, gmatch = string.find, string.format, string.gmatch
local getmetatable, next, type = getmetatable, next, type

local tasks, roots, deliver, first, tracebacks = host.tasks, host.roots, host.deliver, host.first, host.tracebacks

local MAX_PARTS = 64 -- of a table that crosses as a record
local TAIL_CALLS = "^%s*%(%.%.%.tail calls"

local outcomes = {} -- id -> outcome kept for `host.outcome`

-- Lua's traceback of a coroutine without the host's own frames, and without the C functions that they call and the tail
-- calls that made them; "" when nothing else is left.
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

-- What Python sees of an error: "error", its message, its Lua traceback, the id of the exception behind it (or 0),
-- and its value as wire (if it can be).
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

-- Append the keys and values of `t`, whose keys are strings, to `parts`, which has `count` of them. Tables among the
-- values are left to `inner`, if there is one. Returns the new count; nil when `t` has something else or too much.
local function append(parts, count, t, inner)
  for key, value in next, t do
    local kind = type(value)
    if type(key) ~= "string" or count > MAX_PARTS then
      return nil
    elseif kind == "string" or kind == "number" or kind == "boolean" then
      parts[count + 1], parts[count + 2] = key, value
      count = count + 2
    elseif kind == "table" and inner and next(value) ~= nil and not getmetatable(value) then
      inner[#inner + 1] = key
    else
      return nil
    end
  end
  return count
end

-- A small table of plain things, and of tables of these, as a record (see `bind.lua`): it crosses faster so. Else nil.
local function fields(t)
  if type(t) ~= "table" or next(t) == nil or getmetatable(t) then
    return nil
  end
  local parts, inner = { 0 }, {}
  local count = append(parts, 1, t, inner)
  if not count then
    return nil
  end
  parts[1] = (count - 1) // 2
  for i = 1, #inner do
    local start = count
    count = append(parts, start + 2, t[inner[i]])
    if not count then
      return nil
    end
    parts[start + 1], parts[start + 2] = inner[i], (count - start - 2) // 2
  end
  return parts
end

-- Forget a task; returns how its outcome leaves, and its coroutine.
local function finish(id)
  local co, delivery = tasks[id], deliver[id]
  tasks[id], deliver[id], roots[co] = nil, nil, nil
  return delivery, co
end

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
    return failure(result, cleaned(tracebacks[co] or "")) -- none of an error that Lua calls one of memory
  end
  local kind = type(result)
  if result == nil then
    return "done"
  elseif delivery ~= "json" and (kind == "string" or kind == "number" or kind == "boolean") then
    return "done", result
  end
  local parts = delivery == "call" and fields(result)
  if parts then
    return "fields", unpack(parts)
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

-- The kept outcome of a task: true and its results, or false and its error.
function host.outcome(id)
  local outcome = outcomes[id]
  outcomes[id] = nil
  return unpack(outcome, 1, outcome.n)
end

-- The results of a task, as an array, if it has ended and that without an error.
function host.results(id)
  local outcome = outcomes[id]
  if outcome and outcome[1] then
    outcomes[id] = nil
    return { unpack(outcome, 2, outcome.n) }
  end
end

-- Where task `id` waits, as a traceback.
function host.where(id)
  local co = tasks[id]
  local where = co and cleaned(raw_traceback(co)) or ""
  if where == "" and co then
    local file, line = host.beginning(co)
    where = file and format("stack traceback:\n\t%s:%d: in function <%s:%d>", file, line, file, line) or ""
  end
  return where
end

-- Forget a task that will never be resumed.
function host.drop(id)
  first[id] = nil
  local _, co = finish(id)
  raw_close(co)
end

-- Forget the kept outcome of a task.
function host.forget(id)
  outcomes[id] = nil
end
