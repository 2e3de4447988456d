-- Interrupts activities that keep computing after their attempt was cancelled. Python cancels activities that wait.
-- Loaded into the script's state when a worker starts; it watches coroutines that start from then on.
local host = ...

local internal = {}
host.fill(internal, "_.attempt")

local HOOK_COUNT = 1000000 -- instructions between two checks: a few milliseconds
local CANCEL, KILL = 1, 2 -- values of `due`; 0: nothing
local due, stop = internal.due, internal.stop
local getinfo, sethook = debug.getinfo, debug.sethook

local function hook()
  local interruption = due()
  if interruption ~= CANCEL and interruption ~= KILL or host.is_private(getinfo(2, "S")) then
    return
  end
  if interruption == KILL then
    sethook(hook, "", 1) -- raises at every instruction, which also breaks out of a loop around `pcall`
  end
  stop()
end

if not host.watch then -- a coroutine has only one hook: a tool may already use it
  function host.watch(co)
    sethook(co, hook, "", HOOK_COUNT)
  end
end
