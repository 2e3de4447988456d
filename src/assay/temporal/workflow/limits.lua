-- Limits of a run: CPU in a workflow task, memory, the depth of calls. What goes over one cannot be caught by the
-- script: the wrappers below raise it again, and the hook goes on firing.
local host = ...

local G = host.globals
local gethook, sethook = debug.gethook, debug.sethook
local getinfo = debug.getinfo
local find = string.find
local raw_pcall, raw_xpcall = pcall, xpcall
local type = type

-- Instructions between two looks at the clock: few at first, and where they turn out to be slow, because one that calls C
-- can take milliseconds.
local FEWEST, MOST = 100, 6400
local QUICK, SLOW = 0.001, 0.02 -- seconds between two looks
local MOST_MOVED = 1e7

local LIMIT = setmetatable({}, {
  __tostring = function()
    return "the workflow has reached a limit"
  end,
  __metatable = false,
})

-- The text of the limit that was reached, or nil.
host.limit = nil

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
    local spent = host.cpu_spent()
    if type(spent) == "number" then
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
    host.limit = spent .. place()
  end
  error(LIMIT, 0)
end

-- Every coroutine has a hook of its own.
host.count_hook, host.HOOK_COUNT = count_hook, FEWEST
function host.watch(co)
  sethook(co, count_hook, "", FEWEST)
end

local function means_limit(err)
  if type(err) ~= "string" then
    return nil
  elseif err == "not enough memory" then
    return host.memory_limit()
  end
  return find(err, "stack overflow", 1, true) and "calls nested too deep: " .. err or nil
end

-- Look at an error that was about to be caught: raise it again when it is, or means, a limit.
function host.check_limit(err)
  host.limit = host.limit or means_limit(err)
  if host.limit then
    error(LIMIT, 0)
  end
end

local function caught(ok, ...)
  if not ok then
    host.check_limit((...))
  end
  return ok, ...
end

local function replace_global(name, fn)
  G[name] = fn
  host.names[fn] = name
end

replace_global("pcall", function(...)
  return caught(raw_pcall(...))
end)

replace_global("xpcall", function(fn, handler, ...)
  return caught(raw_xpcall(fn, function(err)
    if host.limit or means_limit(err) then
      return err
    end
    return handler(err)
  end, ...))
end)

G.table.move = function(from, first, last, at, to)
  if math.type(first) == "integer" and math.type(last) == "integer" and last - first > MOST_MOVED then
    error("table.move: " .. last - first .. " elements are too many for a workflow", 2)
  end
  return table.move(from, first, last, at, to or from)
end
host.names[G.table.move] = "table.move"

-- Whether a task ended by a limit.
function host.limit_reached(ok, err)
  if not ok then
    raw_pcall(host.check_limit, err)
  end
  return host.limit ~= nil
end
