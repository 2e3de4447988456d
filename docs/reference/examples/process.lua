--- process.list
local first = process.list()[1]
assert.gt(first.pid, 0)

--- process.is_running
assert(not process.is_running("no-such-program"))

--- process.kill
local running = async.spawn(shell.exec, "exec sleep 60")
local pid
while not pid do
  sleep(0.05)
  for _, item in ipairs(process.list()) do
    pid = item.name == "sleep" and item.pid or pid
  end
end
process.kill(pid, 0) -- only checks that the process exists

--- process.wait_idle
process.wait_idle({ "no-such-program" }, 5, 0.1) -- check every 0.1 s, for up to 5 s
