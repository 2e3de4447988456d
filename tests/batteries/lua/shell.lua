local check = require("check")

local function exec(command, options)
  local result = shell.exec(command, options)
  return { result.status, result.stdout, result.stderr, result.timed_out }
end

assert.eq(exec("echo hello"), { 0, "hello\n", "", false })
assert.eq(exec("echo oops >&2; exit 42"), { 42, "", "oops\n", false })
assert.eq(exec("echo 'a b' | tr a A"), { 0, "A b\n", "", false })
assert.eq(exec("none-of-these 2>/dev/null")[1], 127)
assert.eq(exec("kill -9 $$")[1], 137)
assert.eq(exec("kill -TERM $$")[1], 143)

-- Options.
local folder = fs.tempdir()
assert.eq(exec("pwd -P", { cwd = "/" })[2], "/\n")
assert.eq(exec("echo $ONE $TWO", { env = { ONE = "1 é", TWO = "2" } })[2], "1 é 2\n")
env.set("ASSAY_TEST_SHELL", "inherited")
assert.eq(exec("echo $ASSAY_TEST_SHELL", { env = { OTHER = "x" } })[2], "inherited\n")
assert.eq(exec("cat", { stdin = "\0\xff text" })[2], "\0\xff text")
assert.eq(exec('printf %s "$BYTES"', { env = { BYTES = "\xff é" } })[2], "\xff é")
assert.eq(exec("cat")[2], "", "without stdin there is nothing to read")
assert.eq(exec("cat", { stdin = "" })[2], "")
assert.eq(exec("exit 3", { stdin = ("x"):rep(2000000) })[1], 3, "a command need not read")
assert.eq(exec("printf '\\377\\000\\376'; printf '\\375' >&2"), { 0, "\xff\0\xfe", "\xfd", false })

-- Large input and output at the same time.
local big = exec("head -c 11000000 /dev/zero; cat; head -c 300000 /dev/zero >&2", { stdin = ("x"):rep(2000000) })
assert.eq({ #big[2], #big[3] }, { 13000000, 300000 })
assert.eq(big[2]:sub(-3), "xxx")

-- A timeout kills the process group, even if it ignores SIGTERM; earlier output is returned.
local pids = folder .. "/pids"
local began = time()
local timed_out = exec("trap '' TERM; echo before; sleep 300 & echo $! > " .. pids .. "; sleep 300", { timeout = 3 })
assert.eq(timed_out, { -1, "before\n", "", true })
assert.lt(time() - began, 100)
local function gone(pid)
  for _ = 1, 1000 do
    if not pcall(process.kill, pid, 0) then
      return true
    end
    sleep(0.01)
  end
end
assert(gone(math.tointeger(tonumber(fs.read(pids)))), "the child of the child is killed too")
assert.eq(exec("echo fast", { timeout = 100 })[2], "fast\n")

-- A process that leaves the group and keeps the output open does not block the call.
local escaped = exec("setsid sh -c 'echo $$; exec sleep 300' & wait", { timeout = 3 })
assert.eq(escaped[4], true)
process.kill(math.tointeger(tonumber(escaped[2])), 9)

-- A background process without access to the output is not killed.
local left = tonumber(exec("sleep 300 </dev/null >/dev/null 2>&1 & echo $!")[2])
assert.eq(process.kill(left, 0), true)
assert.eq(process.kill(left, "KILL"), true)
assert(gone(left))
check.raises("process.kill: no such process: " .. left, process.kill, left, 0)

-- Other tasks run during a command; cancelling a task kills its command.
local ticks = 0
local ticker = async.spawn_interval(function()
  ticks = ticks + 1
  if ticks == 3 then
    fs.write(folder .. "/ticked", "")
  end
end, 5)
assert.eq(exec("until test -e ticked; do sleep 0.01; done", { cwd = folder, timeout = 60 })[1], 0)
ticker.cancel()
local task = async.spawn(function()
  shell.exec("echo $$ > " .. pids .. ".new; mv " .. pids .. ".new " .. pids .. "2; sleep 300")
end)
while not fs.exists(pids .. "2") do
  sleep(0.01)
end
task.cancel()
check.raises("cancelled", task.await)
assert(gone(math.tointeger(tonumber(fs.read(pids .. "2")))))
local tasks = {}
for i = 1, 20 do
  tasks[i] = async.spawn(function()
    return exec("echo " .. i)[2]
  end)
end
for i, results in ipairs(async.all(tasks)) do
  assert.eq(results, { i .. "\n" })
end

-- Invalid arguments.
check.raises("shell.exec: bad argument 'command' (string expected, got nil)", shell.exec)
check.raises("shell.exec: bad argument 'command' (a string without NUL expected)", shell.exec, "a\0b")
check.raises("shell.exec: /none/of/these: No such file or directory", shell.exec, "true", { cwd = "/none/of/these" })
check.raises("shell.exec: bad option 'timeout' (a number above 0 expected, got 0)", shell.exec, "true", { timeout = 0 })
check.fails("shell.exec: bad option 'env.a=b' (", shell.exec, "true", { env = { ["a=b"] = "c" } })
check.fails("shell.exec: unknown option 'timout' (did you mean 'timeout'?)", shell.exec, "true", { timout = 1 })
fs.remove(folder)
