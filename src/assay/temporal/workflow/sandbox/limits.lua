-- The limits of a run: CPU time of a workflow task, memory, call depth. Scripts cannot catch the error of a limit: the
-- wrappers in `guards.lua` raise it again, and the count hook keeps firing.
--
-- A script can raise errors with the same messages, so limits are recognized by other signs. Python reports that the
-- CPU time is used up. Before Lua raises a memory error it runs a full collection, which clears weak tables (`canary`).
-- There are two exceptions: built-in functions that create strings, whose errors cannot come from the script's code
-- (`check_memory`), and a stack that cannot be doubled, which by then takes a large part of the memory. A stack
-- overflow is not raised by `error` or `assert`.
local host = ...

local clock = os.clock
local gethook, sethook = debug.gethook, debug.sethook
local getinfo = debug.getinfo
local find, gsub = string.find, string.gsub
local status = coroutine.status
local collectgarbage, max = collectgarbage, math.max
local raw_assert, raw_error, raw_pcall, raw_xpcall = assert, error, pcall, xpcall
local setmetatable, type = setmetatable, type

local MEMORY = "not enough memory" -- Lua's error message

host.LIMIT = "the workflow has reached a limit" -- error value that scripts cannot catch

-- The limit that was reached, or false: "cpu" with the place, "memory", or "depth" with Lua's message. Python formats
-- the error message, because the state may have no memory left for it.
host.limit, host.limit_detail = false, ""
host.has_no_limits = false -- set for the debugger, which uses the hooks itself

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

-- The count hook is called every `count` instructions. An instruction can call a C function, which takes about one
-- nanosecond per byte of the longest string or table. The count therefore decreases with the length of the longest
-- string, which is estimated from the growth of memory between two calls of the hook.
local MIN_COUNT, MAX_COUNT = 100, 6400
local QUICK, SLOW = 0.001, 0.02 -- seconds between two calls of the hook
local BYTES = 4e8 -- bytes that the instructions between two calls may process: about 0.4 seconds

local PAUSE = 2 -- factor by which memory grows between two collections
local used, live = 0, 0 -- bytes in use at the last call of the hook, and after the last collection
local has_collected = false -- whether there was a collection since the last call of the hook
local longest = 0 -- maximum length of a string in the state, in bytes
local memory = math.huge -- memory limit in bytes
local last_clock, last_asked = 0, 0 -- process CPU time at the last call of the hook, and when Python was last asked

local function max_count()
  local count = BYTES // (longest + 1)
  return count < 1 and 1 or count < MAX_COUNT and count // 1 | 0 or MAX_COUNT
end

local unprotected = {} -- functions of the main thread in which the hook must not raise an error

local function call_hook_soon()
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
    elseif grown < 0 then -- an emergency collection, because memory was full
      grown = size
    end
    used, longest = size, max(grown, longest)
    -- `clock` counts all threads of the process. Only if it has advanced, ask Python for the CPU time of this thread.
    local is_within_limit = now - last_asked < QUICK or host.ask("cpu_spent")
    if is_within_limit then
      local hook, mask, count = gethook() -- the mask of a tool may include lines or calls
      local next_count = count
      if now - last_clock < QUICK then
        next_count = count * 4
      elseif now - last_clock > SLOW and count > MIN_COUNT then
        next_count = count // 4
      end
      local highest = max_count()
      next_count = next_count > highest and highest or next_count
      if next_count ~= count then
        sethook(hook, mask, next_count)
      end
      last_clock = now
      if is_within_limit ~= true then
        last_asked = now
      end
      return
    end
    host.limit, host.limit_detail = "cpu", place()
  end
  local interrupted = getinfo(2, "f")
  if not (interrupted and unprotected[interrupted.func]) then
    error(host.LIMIT, 0)
  end
end

function host.limit_memory(bytes)
  memory = bytes
end

-- Sets the hook of a coroutine: Lua has a separate hook for each.
host.count_hook, host.HOOK_COUNT = count_hook, MIN_COUNT
function host.watch(co)
  local count = max_count()
  sethook(co, count_hook, "", count < MIN_COUNT and count or MIN_COUNT)
end

-- Notes the length of a string made by a C function, whose memory Lua does not count; returns all arguments.
local LONG = 1 << 14
function host.note(...)
  local text = ...
  if type(text) == "string" and #text > LONG and #text > longest then
    longest = #text
    call_hook_soon()
  end
  return ...
end

-- Notes the values decoded from a JSON text that scripts do not see. No string is longer than the distance between two
-- quotes, so the growth of memory by the decoded tables need not count as the length of a string.
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

-- The collector runs full cycles without stops (`stepmul` 0), so this finalizer is called whenever memory has grown by
-- the factor PAUSE. A long string may have been created then, so the hook is called at the next instruction.
local canary = setmetatable({}, { __mode = "v" }) -- holds garbage, which a full collection removes

local tick = {}
function tick.__gc() -- `collectgarbage` does not work in a finalizer
  has_collected, canary[1] = true, {}
  setmetatable({}, tick)
  call_hook_soon()
end

collectgarbage("param", "pause", PAUSE * 100)
collectgarbage("param", "stepmul", 0)
setmetatable({}, tick)

-- Message handler that recognizes stack overflows. A handler that calls it passes 2 as `level`, because the raising
-- function is one frame further up then.
function host.mark(err, level)
  if type(err) == "string" and find(err, "stack overflow$") then
    local raiser = getinfo((level or 1) + 1, "f")
    if raiser and raiser.func ~= raw_error and raiser.func ~= raw_assert then
      host.limit = host.limit or "depth"
      host.limit_detail = gsub(err, "^%?:%?: ", "") -- the position in private code
      return host.LIMIT
    end
  end
  return err
end

-- Return the limit that has been reached if a caught error is one; false otherwise.
function host.is_limit(err)
  if err == MEMORY and (not canary[1] or used > memory / 4) then
    host.limit = host.limit or "memory"
  end
  return host.limit
end

-- Raise an error again if it is a limit; for errors that cannot come from the script's code.
function host.check_memory(err)
  if err == MEMORY then
    host.limit = host.limit or "memory"
  end
  host.check_limit(err)
end

-- Raise an error again if it is a limit.
function host.check_limit(err)
  if host.is_limit(err) then
    error(host.LIMIT, 0)
  end
end

-- Raise the error of a resume again if it is a limit. A coroutine that cannot start because the C stack is full counts
-- as a limit, too.
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

-- Return a function for a coroutine that runs `fn` and recognizes limits.
function host.protected(fn)
  return function(...)
    return finish(raw_xpcall(fn, host.mark, ...))
  end
end

-- `host.step` with limits on the main thread, too, which runs what a step does outside of the task's coroutine.

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

unprotected[stepped] = true

function host.step(...)
  used, canary[1] = collectgarbage("count") * 1024, {}
  sethook(count_hook, "", MIN_COUNT)
  return stepped(raw_pcall(step, ...))
end
unprotected[host.step] = true
