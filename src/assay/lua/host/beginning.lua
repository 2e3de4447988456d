-- The function that a task began with. When it ends in `return ctx:sleep(1)`, that call takes its frame, and with it the
-- line; what is left is where the function begins. Nothing is kept for this: the arguments of the task's outermost frame
-- still hold the function.
local host = ...

local getinfo, getlocal = debug.getinfo, debug.getlocal
local type = type

local roots = host.roots

-- Where the script's function begins that the coroutine `co` of a task runs, as file and line; nil when it is none.
function host.beginning(co)
  if not (roots[co] and getinfo(co, 0, "l")) then
    return nil
  end
  local level = 0
  while getinfo(co, level + 1, "l") do
    level = level + 1
  end
  local _, fn = getlocal(co, level, 1)
  if type(fn) == "function" and host.is_private(getinfo(fn, "S")) then
    _, fn = getlocal(co, level, -1) -- of a workflow: `begin.lua` stands before it
  end
  local info = type(fn) == "function" and getinfo(fn, "S")
  if info and info.linedefined > 0 and not host.is_private(info) then
    return info.short_src, info.linedefined
  end
end
