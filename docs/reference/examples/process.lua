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
  for _, found in ipairs(process.list()) do
    pid = found.name == "sleep" and found.pid or pid
  end
end
process.kill(pid, 0) -- only asks whether it is there

--- process.wait_idle
process.wait_idle({ "no-such-program" }, 5, 0.1) -- waits until none of them runs
