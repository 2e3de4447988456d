-- An end for activities that compute although their attempt is over: what waits is cancelled there, what computes is stopped here.
-- It is loaded into the script's state when a worker starts, and sees the coroutines that begin from then on.
local host = ...

local internal = {}
host.fill(internal, "_.attempt")

local HOOK_COUNT = 1000000 -- instructions between two looks: some milliseconds
local TELL, INSIST = 1, 2 -- what is due; else 0
local due, stop = internal.due, internal.stop
local getinfo, sethook = debug.getinfo, debug.sethook

local function hook()
  local what = due()
  if what ~= TELL and what ~= INSIST or host.is_private(getinfo(2, "S")) then
    return
  end
  if what == INSIST then
    sethook(hook, "", 1) -- so that the error leaves a loop of `pcall` too
  end
  stop()
end

if not host.watch then -- else a tool has the one hook that a coroutine can have
  function host.watch(co)
    sethook(co, hook, "", HOOK_COUNT)
  end
end
