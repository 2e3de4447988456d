local check = require("check")

-- Lua's own `assert`.
assert.eq({ assert(1, "message", nil, 4) }, { 1, "message", nil, 4 })
assert.eq(select("#", assert(true, nil, nil)), 3)
check.raises("message", assert, false, "message")
check.raises("assertion failed!", assert, nil)
check.raises("bad argument #1 to 'assert' (value expected)", assert)
local value = {}
assert(select(2, pcall(assert, false, value)) == value)
assert.eq(select(2, pcall(assert, nil, nil)), "<no error object>")
local ok, problem = pcall(function()
  assert(false, "where")
end)
assert.matches(problem, "^[^:]*assert%.lua:%d+: where$")

-- Equality by value.
assert.eq(1, 1.0)
assert.eq("a", "a")
assert.eq(nil, nil)
assert.eq({}, {})
assert.eq({ 1, { a = { 2.0 } } }, { 1.0, { a = { 2 } } })
assert.eq(json.parse("[]"), {})
assert.eq(json.null, json.null)
local cyclic_a, cyclic_b = { 1 }, { 1 }
cyclic_a.self, cyclic_b.self = cyclic_a, cyclic_b
assert.eq(cyclic_a, cyclic_b)
local with_eq = {
  __eq = function()
    return true
  end,
}
assert.eq(setmetatable({ 1 }, with_eq), setmetatable({ 2 }, with_eq))
assert.ne(1, 2)
assert.ne(1, "1")
assert.ne({}, { 1 })
assert.ne({ 1 }, {})
assert.ne({ a = { 1 } }, { a = { 2 } })
assert.ne({ a = false }, {})
assert.ne(json.null, {})
assert.ne(0 / 0, 0 / 0)
assert.ne(print, assert)

-- Messages show both sides.
check.raises("assert.eq failed: 1 != 2", assert.eq, 1, 2)
check.raises("assert.eq failed: 1 != 2 - message", assert.eq, 1, 2, "message")
check.raises('assert.eq failed: "a\\n" != nil - 5', assert.eq, "a\n", nil, 5)
check.raises('assert.eq failed: "1" != 1', assert.eq, "1", 1)
check.raises(
  'assert.eq failed: {1, {a = true, ["b c"] = null}} != {x = 1.5}',
  assert.eq,
  { 1, { a = true, ["b c"] = json.null } },
  { x = 1.5 }
)
local order = { id = 7, items = { { name = "bolt", count = 2 }, { name = "nut", count = 3 } }, paid = true, note = "x" }
local other =
  { id = 7, items = { { name = "bolt", count = 2 }, { name = "nut", count = 4 } }, paid = true, ["a b"] = 1 }
local _, difference = pcall(assert.eq, order, other, "message")
assert.matches(difference, '\n  items%[2%]%.count: 3 != 4\n  note: "x" != %(missing%)$')
assert.matches(difference, '\n  %["a b"%]: %(missing%) != 1\n')
local rows, columns = {}, {}
for i = 1, 30 do
  rows[i], columns[i] = i, -i
end
local poem = "first line\nsecond line\n" .. ("more\n"):rep(20)
_, difference = pcall(assert.eq, poem, (poem:gsub("second", "third")))
assert.matches(difference, '\n  line 2: "second line" != "third line"$')
_, difference = pcall(assert.eq, poem, poem .. "x")
assert.matches(difference, '\n  line 23: "" != "x"$')
_, difference = pcall(assert.eq, ("a"):rep(99) .. "b" .. ("c"):rep(99), ("a"):rep(99) .. ("c"):rep(99))
assert.matches(difference, '\n  at byte 100: …"a+bc+"… != …"a+c+"…$')
_, difference = pcall(assert.eq, rows, columns)
assert.matches(difference, "\n  %[10%]: 10 != %-10\n  …$")
check.raises("assert.eq failed: {1, self = (itself)} != function", assert.eq, cyclic_a, print)
check.raises("assert.ne failed: {1} == {1.0}", assert.ne, { 1 }, { 1.0 })
local named = setmetatable({}, {
  __tostring = function()
    return "named"
  end,
})
check.raises("assert.eq failed: named != 1", assert.eq, named, 1)
local _, long = pcall(assert.eq, ("x"):rep(100000), "y")
assert.lt(#long, 1200)
assert.matches(
  select(
    2,
    pcall(function()
      assert.eq(1, 2)
    end)
  ),
  "^[^:]*assert%.lua:%d+: assert%.eq failed: 1 != 2$"
)

-- Order.
assert.gt(2, 1)
assert.gt(1.5, 1)
assert.gt("b", "a")
assert.lt(1, 2)
check.raises("assert.gt failed: 1 is not > 1 - message", assert.gt, 1, 1, "message")
check.raises("assert.lt failed: 2 is not < 1.5", assert.lt, 2, 1.5)
check.raises("assert.lt failed: nan is not < 1", assert.lt, -(0 / 0), 1)
check.raises("assert.gt: bad argument 'a' (number or string expected, got nil)", assert.gt, nil, 1)
check.raises("assert.gt: bad argument 'b' (number expected, got string)", assert.gt, 1, "1")

-- Contents.
assert.contains("a.b", ".")
assert.contains("abc", "")
assert.contains({ 1, { a = 1 } }, { a = 1.0 })
check.raises('assert.contains failed: "abc" does not contain "x" - message', assert.contains, "abc", "x", "message")
check.raises("assert.contains failed: {1, 2} does not contain 3", assert.contains, { 1, 2 }, 3)
check.raises("assert.contains: bad argument 'whole' (string or table expected, got nil)", assert.contains, nil, 1)
check.raises("assert.contains: bad argument 'part' (string expected, got nil)", assert.contains, "a", nil)
assert.not_nil(false)
check.raises("assert.not_nil failed: value is nil - message", assert.not_nil, nil, "message")

-- Patterns.
assert.matches("key=value", "^(%w+)=(%w+)$")
check.raises(
  'assert.matches failed: "abc" does not match pattern "^b" - message',
  assert.matches,
  "abc",
  "^b",
  "message"
)
check.raises("assert.matches: bad argument 'text' (string expected, got nil)", assert.matches, nil, "a")
check.raises("assert.matches: bad argument 'pattern' (malformed pattern (missing ']'))", assert.matches, "a", "[")
