-- Position of the main function of a task. A tail call such as `return ctx:sleep(1)` replaces its frame, so that the
-- current line is unknown and messages give the line where the function is defined. The function is found in the
-- arguments of the task's outermost frame.
local host = ...

local getinfo, getlocal = debug.getinfo, debug.getlocal
local type = type

local roots = host.roots

-- Return the file and line where the main function of a task's coroutine `co` is defined; nil for other coroutines.
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
    _, fn = getlocal(co, level, -1) -- in a workflow, `begin.lua` calls the function
  end
  local info = type(fn) == "function" and getinfo(fn, "S")
  if info and info.linedefined > 0 and not host.is_private(info) then
    return info.short_src, info.linedefined
  end
end
