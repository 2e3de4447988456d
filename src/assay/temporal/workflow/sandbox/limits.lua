-- Limits of a run: CPU in a workflow task, memory, the depth of calls. What goes over one cannot be caught by the
-- script: the wrappers in `guards.lua` raise it again, and the hook continues firing.
--
-- A limit is known by what happened, never by a text. Python says that the CPU time is used up. Before Lua gives up for
-- want of memory it collects everything, also what a weak table holds. There are two exceptions: a function that makes a
-- string, which is not `error` with the same text from a script; and a stack that cannot be doubled, which takes a good
-- part of all memory by then. Nor is it `error` that raises a stack overflow.
local host = ...

local clock = os.clock
local gethook, sethook = debug.gethook, debug.sethook
local getinfo = debug.getinfo
local find = string.find
local status = coroutine.status
local collectgarbage, max = collectgarbage, math.max
local raw_assert, raw_error, raw_pcall, raw_xpcall = assert, error, pcall, xpcall
local setmetatable, type = setmetatable, type

local MEMORY = "not enough memory" -- Lua's own error

host.LIMIT = "the workflow has reached a limit" -- the error, which no script can catch

-- The limit that was reached, or false: "cpu" and where, "memory", or "depth" and Lua's message. Its text is Python's,
-- so that none has to find room in a full state.
host.limit, host.limit_detail = false, ""
host.has_no_limits = false -- a debugger looks on, which has hooks of its own

local function place()
  for level = 3, 12 do
    local info = getinfo(level, "Sl")
    if not info then
      return ""
    elseif info.currentline > 0 and not host.is_private(info) then
      return " at " .. info.short_src .. ":" .. info.currentline
    end
  end
  return ""
end

-- The hook is called after a number of instructions. One instruction can call C, which takes about one
-- nanosecond for each byte of the longest string (or table), so the longer it may be, the fewer they are. How long that
-- is follows from how much memory grew between two looks.
local MIN_COUNT, MAX_COUNT = 100, 6400
local QUICK, SLOW = 0.001, 0.02 -- seconds between two looks
local BYTES = 4e8 -- that all instructions between two looks may touch: about four tenths of a second

local PAUSE = 2 -- how much memory grows before it is collected
local used, live = 0, 0 -- bytes of memory at the last look, and after the last collection
local has_collected = false -- since the last look
local longest = 0 -- bytes that a string can have
local memory = math.huge -- bytes that there may be
local last_clock, last_asked = 0, 0

local function most_instructions()
  local most = BYTES // (longest + 1)
  return most < 1 and 1 or most < MAX_COUNT and most // 1 | 0 or MAX_COUNT
end

local outside = {} -- functions of the main thread that nothing protects

local function look_soon()
  local hook, mask = gethook()
  if hook and not host.has_no_limits then
    sethook(hook, mask, 1)
  end
end

local function count_hook()
  if not host.limit then
    local now, size = clock(), collectgarbage("count") * 1024
    local grown = size - used
    if has_collected then
      grown = max(PAUSE * live - used, size - live)
      live, has_collected = size, false
    elseif grown < 0 then -- memory was full
      grown = size
    end
    used, longest = size, max(grown, longest)
    -- The clock is that of the whole process: Python is only asked when it has gone on.
    local spent = now - last_asked < QUICK or host.ask("cpu_spent")
    if spent then
      local hook, mask, count = gethook() -- tools hook more than the count
      local next_count = count
      if now - last_clock < QUICK then
        next_count = count * 4
      elseif now - last_clock > SLOW and count > MIN_COUNT then
        next_count = count // 4
      end
      local most = most_instructions()
      next_count = next_count > most and most or next_count
      if next_count ~= count then
        sethook(hook, mask, next_count)
      end
      last_clock = now
      if spent ~= true then
        last_asked = now
      end
      return
    end
    host.limit, host.limit_detail = "cpu", place()
  end
  local interrupted = getinfo(2, "f")
  if not (interrupted and outside[interrupted.func]) then
    error(host.LIMIT, 0)
  end
end

function host.limit_memory(bytes)
  memory = bytes
end

-- Every coroutine has a hook of its own.
host.count_hook, host.HOOK_COUNT = count_hook, MIN_COUNT
function host.watch(co)
  local most = most_instructions()
  sethook(co, count_hook, "", most < MIN_COUNT and most or MIN_COUNT)
end

-- Look at a new string of C's library, whose memory Lua does not count; returns it and what follows.
local LONG = 1 << 14
function host.note(...)
  local text = ...
  if type(text) == "string" and #text > LONG and #text > longest then
    longest = #text
    look_soon()
  end
  return ...
end

-- What the private side has made of a JSON text that no script sees: tables, and strings that are not longer than the
-- distance of two quotes.
local STRIDE = 1 << 15
function host.has_decoded(text)
  for at = 1, #text, STRIDE do
    local quote = find(text, '"', at, true) or #text
    if quote - at > STRIDE and quote - at + STRIDE > longest then
      longest = quote - at + STRIDE
    end
  end
  used = collectgarbage("count") * 1024
end

-- The collector finishes what it begins, so that this finalizer is called whenever memory has grown to PAUSE times what
-- was left of it: something long may have been made then, and the next instruction looks.
local canary = setmetatable({}, { __mode = "v" }) -- holds garbage

local tick = {}
function tick.__gc() -- how much memory is in use cannot be asked here
  has_collected, canary[1] = true, {}
  setmetatable({}, tick)
  look_soon()
end

collectgarbage("param", "pause", PAUSE * 100)
collectgarbage("param", "stepmul", 0)
setmetatable({}, tick)

-- A message handler, or the part of one that is `level` frames above the function that raised `err` (1: its tail call).
function host.mark(err, level)
  if type(err) == "string" and find(err, "stack overflow$") then
    local raiser = getinfo((level or 1) + 1, "f")
    if raiser and raiser.func ~= raw_error and raiser.func ~= raw_assert then
      host.limit, host.limit_detail = host.limit or "depth", err
      return host.LIMIT
    end
  end
  return err
end

-- Look at an error that was caught: returns the limit that was reached, if there is one.
function host.is_limit(err)
  if err == MEMORY and (not canary[1] or used > memory / 4) then
    host.limit = host.limit or "memory"
  end
  return host.limit
end

-- The same for an error that no code of a script can have raised.
function host.check_memory(err)
  if err == MEMORY then
    host.limit = host.limit or "memory"
  end
  host.check_limit(err)
end

-- Raise an error again that is a limit.
function host.check_limit(err)
  if host.is_limit(err) then
    error(host.LIMIT, 0)
  end
end

-- The same for what a resume has returned: a coroutine that could not even begin found the stack of C full.
function host.check_resumed(co, err)
  if err == "C stack overflow" and status(co) ~= "dead" then
    host.limit, host.limit_detail = host.limit or "depth", err
  end
  host.check_limit(err)
end

local function finish(ok, ...)
  if ok then
    return ...
  end
  host.check_limit((...))
  error((...), 0)
end

-- The body of a coroutine that runs `fn`.
function host.protected(fn)
  return function(...)
    return finish(raw_xpcall(fn, host.mark, ...))
  end
end

-- The main thread, which sees an error's metamethods, results, and whatever else a step leaves to Python.

local step = host.step

local function stepped(ok, ...)
  sethook()
  if not ok then
    host.is_limit((...))
  end
  if host.limit then
    return "limit", host.limit, host.limit_detail
  elseif not ok then
    error((...), 0)
  end
  return ...
end

outside[stepped] = true

function host.step(...)
  used, canary[1] = collectgarbage("count") * 1024, {}
  sethook(count_hook, "", MIN_COUNT)
  return stepped(raw_pcall(step, ...))
end
outside[host.step] = true
