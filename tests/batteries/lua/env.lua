local check = require("check")

assert.eq(env.get("ASSAY_TEST_UNSET"), nil)
env.set("ASSAY_TEST", "a=b é \xff")
assert.eq(env.get("ASSAY_TEST"), "a=b é \xff")
assert.eq(os.getenv("ASSAY_TEST"), "a=b é \xff")

local found
local before = ""
for _, variable in ipairs(env.list()) do
  assert.lt(before, variable.key)
  before = variable.key
  if variable.key == "ASSAY_TEST" then
    found = variable.value
  end
end
assert.eq(found, "a=b é \xff")

env.set("ASSAY_TEST", "")
assert.eq(env.get("ASSAY_TEST"), "")
env.set("ASSAY_TEST", nil)
assert.eq(env.get("ASSAY_TEST"), nil)
assert.eq(os.getenv("ASSAY_TEST"), nil)
env.set("ASSAY_TEST")

env.set("ASSAY_TEST", 5)
assert.eq(env.get("ASSAY_TEST"), "5")

check.raises("env.get: bad argument 'key' (string expected, got nil)", env.get)
check.raises("env.set: bad argument 'key' (a name without '=' expected)", env.set, "a=b", "c")
check.raises("env.set: bad argument 'key' (a name without '=' expected)", env.set, "", "c")
check.raises("env.set: bad argument 'value' (a string without NUL expected)", env.set, "a", "b\0c")
check.raises("env.set: bad argument 'value' (string expected, got table)", env.set, "a", {})
