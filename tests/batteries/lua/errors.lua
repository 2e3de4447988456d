local check = require("check")

-- Errors of builtins have the caller's line.
local ok, problem = pcall(function()
  fs.read("no such file")
end)
assert.matches(problem, "^[^:]*errors%.lua:5: fs%.read: no such file: No such file or directory$")
ok, problem = pcall(function()
  sleep(0)
  sleep("x")
end)
assert.matches(problem, "^[^:]*errors%.lua:10: sleep: bad argument 'seconds' %(number expected, got string%)$")

-- A script may raise any value.
local value = setmetatable({}, {
  __tostring = function()
    return "text"
  end,
})
for _, raised in ipairs({ value, 5, true, print }) do
  assert(select(2, pcall(error, raised)) == raised)
end
assert.eq(select(2, pcall(error)), "<no error object>")

-- An error object has fields, and can be used like the string of its message.
local task = async.spawn(sleep, 60)
sleep(0)
task.cancel()
local e = check.raises("cancelled", task.await)
assert.eq(e.kind, "cancelled")
assert.eq(e.message, "cancelled")
assert.eq(tostring(e), "cancelled")
assert.eq("it was " .. e .. "!", "it was cancelled!")
assert.eq(#e, 9)
assert.eq(e:upper(), "CANCELLED")
assert.eq(e:find("cel", 1, true), 4)
assert.eq(e:match("^can"), "can")
assert.contains(e, "cel")
assert.matches(e, "^can")
check.raises('assert.contains failed: "cancelled" does not contain "x"', assert.contains, e, "x")
assert.eq(base64.encode(e), base64.encode("cancelled"))
assert.eq(regex.find(e, "c.l").match, "cel")
assert.eq(e.nothing, nil)
assert.eq(e.dump, nil)
assert.eq(getmetatable(e), false)
assert(not pcall(setmetatable, e, {}))
e.message = { 1 }
assert.eq(tostring(e), "error")
e.extra = 1
assert.eq(e.extra, 1)

-- Deep recursion and oversized strings raise errors.
local function deep()
  return deep() + 1
end
assert.contains(select(2, pcall(deep)), "stack overflow")
assert.contains(
  select(
    2,
    pcall(function()
      return string.rep("xx", math.maxinteger)
    end)
  ),
  "resulting string too large"
)
