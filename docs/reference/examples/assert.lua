--- assert
local file = assert(fs.read("/etc/hostname"), "no host name") -- returns its first argument
assert(#file > 0)

--- assert.eq
assert.eq({ 1, { a = 2 } }, { 1, { a = 2 } }) -- tables are compared by value
local ok, err = pcall(assert.eq, 1, 2, "the total")
assert.eq(err, "assert.eq failed: 1 != 2 - the total")

--- assert.ne
assert.ne("red", "green")

--- assert.gt
assert.gt(3, 2)

--- assert.lt
assert.lt(time() - time(), 1)

--- assert.contains
assert.contains("a long text", "long")
assert.contains({ "red", "green" }, "red")

--- assert.not_nil
assert.not_nil(env.get("PATH"))

--- assert.matches
assert.matches("v1.25", "^v%d+%.%d+$") -- a Lua pattern
