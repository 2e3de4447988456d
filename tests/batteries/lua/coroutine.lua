local check = require("check")

-- Waiting in the main chunk, in pcall and in xpcall.
sleep(0)
assert.eq({ pcall(function()
  sleep(0.001)
  return "a"
end) }, { true, "a" })
local ok, problem = pcall(function()
  sleep(0.001)
  error("b", 0)
end)
assert.eq({ ok, problem }, { false, "b" })
assert.eq({ xpcall(function()
  sleep(0.001)
  error("c", 0)
end, function(e)
  return e .. "!"
end) }, { false, "c!" })

-- In coroutines: created, wrapped, nested, interleaved with the script's yields.
local co = coroutine.create(function(...)
  local got = { ... }
  sleep(0.001)
  got[#got + 1] = coroutine.yield("y1", nil, "y3")
  sleep(0.001)
  return table.concat(got, ",")
end)
assert.eq({ coroutine.resume(co, 1, 2) }, { true, "y1", nil, "y3" })
assert.eq(coroutine.status(co), "suspended")
assert.eq({ coroutine.resume(co, 3) }, { true, "1,2,3" })
assert.eq(coroutine.status(co), "dead")
assert.eq({ coroutine.resume(co) }, { false, "cannot resume dead coroutine" })

local nested = coroutine.wrap(function()
  local inner = coroutine.wrap(function()
    local innermost = coroutine.wrap(function()
      sleep(0.001)
      coroutine.yield(1)
      sleep(0.001)
      coroutine.yield(2)
    end)
    coroutine.yield(innermost() * 10)
    sleep(0.001)
    coroutine.yield(innermost() * 10)
  end)
  coroutine.yield(inner() + 1)
  coroutine.yield(inner() + 1)
end)
assert.eq({ nested(), nested() }, { 11, 21 })

-- In iterators, metamethods and __close.
local seen = {}
for i in
  coroutine.wrap(function()
    for i = 1, 3 do
      sleep(0.001)
      coroutine.yield(i)
    end
  end)
do
  seen[#seen + 1] = i
end
assert.eq(seen, { 1, 2, 3 })
local function iterator(_, i)
  sleep(0.001)
  return i < 3 and i + 1 or nil
end
for i in iterator, nil, 0 do
  seen[#seen + 1] = i
end
assert.eq(#seen, 6)
local slow = setmetatable({}, {
  __index = function(_, key)
    sleep(0.001)
    return key
  end,
  __newindex = function(t, key, value)
    sleep(0.001)
    rawset(t, key, value)
  end,
  __add = function()
    sleep(0.001)
    return "sum"
  end,
  __eq = function()
    sleep(0.001)
    return true
  end,
  __lt = function()
    sleep(0.001)
    return true
  end,
  __call = function(_, a)
    sleep(0.001)
    return a
  end,
  __concat = function()
    sleep(0.001)
    return "joined"
  end,
  __len = function()
    sleep(0.001)
    return 42
  end,
})
slow.set = 1
assert.eq({
  slow.key,
  slow + 1,
  slow == setmetatable({}, getmetatable(slow)),
  slow < slow,
  slow(5),
  slow .. "x",
  #slow,
  slow.set,
}, { "key", "sum", true, true, 5, "joined", 42, 1 })
local log_of = {}
do
  local guard <close> = setmetatable({}, {
    __close = function()
      sleep(0.001)
      log_of[1] = "closed"
    end,
  })
end
assert.eq(log_of, { "closed" })
assert.eq(
  pcall(function()
    local guard <close> = setmetatable({}, {
      __close = function(_, e)
        sleep(0.001)
        log_of[2] = e
      end,
    })
    error("reason", 0)
  end),
  false
)
assert.eq(log_of, { "closed", "reason" })

-- Where Lua cannot yield, waiting raises an error, and the coroutine can continue.
local function contains_where(fn)
  local ok, problem = pcall(fn)
  assert.eq(ok, false)
  assert.contains(tostring(problem), "cannot wait here: Lua cannot suspend a table.sort comparator")
end
contains_where(function()
  table.sort({ 3, 2, 1 }, function(a, b)
    sleep(0)
    return a < b
  end)
end)
contains_where(function()
  ("abc"):gsub(".", function()
    sleep(0)
  end)
end)
contains_where(function()
  tostring(setmetatable({}, {
    __tostring = function()
      sleep(0)
      return ""
    end,
  }))
end)
contains_where(function()
  ("abc"):gsub(
    ".",
    coroutine.wrap(function()
      sleep(0)
    end)
  )
end)
check.raises(
  "sleep: cannot wait here: Lua cannot suspend a table.sort comparator, a string.gsub callback or a __tostring metamethod",
  function()
    ("abc"):gsub(".", function()
      return pcall(sleep, 0) and "" or error(select(2, pcall(sleep, 0)), 0)
    end)
  end
)
local survived
table.sort({ 2, 1 }, function(a, b)
  survived = select(2, pcall(sleep, 0))
  return a < b
end)
assert.contains(survived, "sleep: cannot wait here")
sleep(0)

-- Errors through wrap and resume.
local failing = coroutine.wrap(function()
  sleep(0.001)
  error({ code = 1 })
end)
assert.eq(select(2, pcall(failing)).code, 1)
check.raises("cannot resume dead coroutine", failing)
local closed = {}
local with_close = coroutine.wrap(function()
  local guard <close> = setmetatable({}, {
    __close = function()
      closed[#closed + 1] = true
    end,
  })
  coroutine.yield(1)
  error("late", 0)
end)
with_close()
check.raises("late", with_close)
assert.eq(#closed, 1)
local replaced = coroutine.wrap(function()
  local guard <close> = setmetatable({}, {
    __close = function()
      error("of close", 0)
    end,
  })
  error("first", 0)
end)
check.raises("of close", replaced)

-- The rest of the library.
local main, is_main = coroutine.running()
assert.eq({ type(main), is_main }, { "thread", true })
assert.eq(coroutine.isyieldable(), false)
check.raises("attempt to yield from outside a coroutine", coroutine.yield, 1)
coroutine.wrap(function()
  local own, own_is_main = coroutine.running()
  assert.ne(own, main)
  assert.eq(own_is_main, false)
  assert.eq(coroutine.isyieldable(), true)
  assert.eq(coroutine.status(main), "normal")
  assert.eq({ coroutine.resume(main) }, { false, "cannot resume non-suspended coroutine" })
  assert.eq({ coroutine.resume(own) }, { false, "cannot resume non-suspended coroutine" })
end)()
assert.eq(coroutine.status(main), "running")
for _, name in ipairs({ "resume", "status", "close", "isyieldable" }) do
  check.raises("bad argument #1 to 'coroutine." .. name .. "' (thread expected, got number)", coroutine[name], 5)
end
for _, name in ipairs({ "create", "wrap" }) do
  check.raises("bad argument #1 to 'coroutine." .. name .. "' (function expected, got number)", coroutine[name], 5)
  check.raises("coroutine.lua:243: bad argument #1 to 'make' (function expected, got table)", function()
    local make = coroutine[name]
    local co = make({})
    return co
  end)
end

-- Neither the main chunk nor a task can be closed.
check.raises("cannot close main thread", coroutine.close)
check.raises("cannot close main thread", coroutine.close, main)
local in_task = async.spawn(function()
  return pcall(coroutine.close)
end)
assert.eq(in_task:await(), { false, "cannot close main thread" })

-- The number of values is preserved, including zero; errors of wrapped functions have the caller's line.
assert.eq(select("#", coroutine.resume(coroutine.create(function() end))), 1)
assert.eq(
  select(
    "#",
    coroutine.wrap(function()
      coroutine.yield()
    end)()
  ),
  0
)
check.raises("wrong number of arguments to 'insert'", function()
  local _, problem = pcall(table.insert, {}, coroutine.wrap(function() end)())
  error(problem, 0)
end)
local closable = coroutine.create(function()
  local guard <close> = setmetatable({}, {
    __close = function()
      closed[#closed + 1] = true
    end,
  })
  coroutine.yield()
end)
coroutine.resume(closable)
assert.eq({ coroutine.close(closable), #closed, coroutine.status(closable) }, { true, 2, "dead" })

-- Scripts cannot resume or close a coroutine that waits.
local sleeping = coroutine.create(function()
  sleep(0.02)
  return "slept"
end)
local task = async.spawn(function()
  return coroutine.resume(sleeping)
end)
sleep(0.001)
assert.eq(coroutine.status(sleeping), "normal")
assert.eq({ coroutine.resume(sleeping, "v", "forged") }, { false, "cannot resume a coroutine that is waiting" })
check.raises("cannot close a coroutine that is waiting", coroutine.close, sleeping)
assert.eq(task.await(), { true, "slept" })

local root
local other = async.spawn(function()
  root = coroutine.running()
  sleep(0.02)
  return "undisturbed"
end)
sleep(0.001)
assert.eq({ coroutine.resume(root, "v", "forged") }, { false, "cannot resume a coroutine that is waiting" })
assert.eq(coroutine.status(root), "normal")
check.raises("cannot close a coroutine that is waiting", coroutine.close, root)
assert.eq(other.await(), { "undisturbed" })
