-- Limits of a run: CPU in a workflow task, memory, the depth of calls. What goes over one cannot be caught by the
-- script: the wrappers in `guards.lua` raise it again, and the hook goes on firing.
local host = ...

local gethook, sethook = debug.gethook, debug.sethook
local getinfo = debug.getinfo
local find = string.find
local type = type

-- Instructions between two looks at the clock: few at first, and where they turn out to be slow, because one that calls C
-- can take milliseconds.
local FEWEST, MOST = 100, 6400
local QUICK, SLOW = 0.001, 0.02 -- seconds between two looks

host.LIMIT = "the workflow has reached a limit" -- the error, which no script can catch

-- The limit that was reached, or false: "cpu" and where, "memory", or "depth" and Lua's message. Its text is Python's,
-- so that none has to find room in a full state.
host.limit, host.limit_detail = false, ""

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

local last_spent = 0

local function count_hook()
  if not host.limit then
    local spent = host.ask("cpu_spent")
    if spent then
      local since = spent < last_spent and spent or spent - last_spent
      last_spent = spent
      local hook, mask, count = gethook() -- tools hook more than the count
      if since < QUICK and count < MOST then
        sethook(hook, mask, count * 4)
      elseif since > SLOW and count > FEWEST then
        sethook(hook, mask, count // 4)
      end
      return
    end
    host.limit, host.limit_detail = "cpu", place()
  end
  error(host.LIMIT, 0)
end

-- Every coroutine has a hook of its own.
host.count_hook, host.HOOK_COUNT = count_hook, FEWEST
function host.watch(co)
  sethook(co, count_hook, "", FEWEST)
end

-- Look at an error that was about to be caught: tell whether it is, or means, a limit.
function host.is_limit(err)
  if not host.limit and type(err) == "string" then
    if err == "not enough memory" then
      host.limit = "memory"
    elseif find(err, "stack overflow", 1, true) then
      host.limit, host.limit_detail = "depth", err
    end
  end
  return host.limit
end
