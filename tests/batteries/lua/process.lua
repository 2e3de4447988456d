local check = require("check")

local function start(command)
  return math.tointeger(tonumber(shell.exec(command .. " </dev/null >/dev/null 2>&1 & echo $!").stdout))
end

-- A program with a unique name.
local folder = fs.tempdir()
local name = "assay-é-" .. crypto.random(2)
assert.eq(shell.exec("ln -s $(command -v sleep) '" .. folder .. "/" .. name .. "'").status, 0)
assert.eq(process.is_running(name), false)
local pid = start("'" .. folder .. "/" .. name .. "' 300")
while not process.is_running(name) do
  sleep(0.01)
end

local found
local last = 0
for _, item in ipairs(process.list()) do
  assert.gt(item.pid, last)
  last = item.pid
  assert.eq(type(item.name), "string")
  if item.pid == pid then
    found = item
  end
end
assert.eq(found, { pid = pid, name = name, cmdline = folder .. "/" .. name .. " 300" })

local began = time()
assert.eq(process.wait_idle(name, 0.1, 0.02), false)
assert.eq(process.wait_idle({ "none-of-these" }, 600, 300), true)
assert.lt(time() - began, 100)
local waiting = async.spawn(process.wait_idle, { name, "none-of-these" }, 60, 0.01)
sleep(0.05)
assert.eq(process.kill(pid), true)
assert.eq(waiting.await(), { true })
assert.eq(process.is_running(name), false)
check.raises("process.kill: no such process: " .. pid, process.kill, pid, 0)

check.raises("process.kill: bad argument 'pid' (a number above 0 expected, got 0)", process.kill, 0)
check.raises("process.kill: bad argument 'pid' (a number above 0 expected, got -1)", process.kill, -1, 0)
check.raises("process.kill: bad argument 'pid' (integer expected, got nil)", process.kill)
check.raises("process.kill: no such process: 999999999", process.kill, 999999999)
check.raises("process.kill: no such process: " .. math.maxinteger, process.kill, math.maxinteger)
check.fails("process.kill: bad argument 'signal' (0 to ", process.kill, 1, 1000)
check.raises("process.kill: bad argument 'signal' (a signal name expected, got 'NONE')", process.kill, 1, "NONE")
check.raises(
  "process.wait_idle: bad argument 'interval' (a number above 0 expected, got 0)",
  process.wait_idle,
  "x",
  1,
  0
)
check.fails("process.wait_idle: bad argument 'names' (string or table expected", process.wait_idle)
fs.remove(folder)
