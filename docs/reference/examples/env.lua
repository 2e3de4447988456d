--- env.get
local path = env.get("PATH")
assert.contains(path, "/")
assert.eq(env.get("NOT_SET"), nil)

--- env.set
env.set("REGION", "eu")
assert.eq(env.get("REGION"), "eu")
env.set("REGION", nil) -- unsets the variable

--- env.list
local names = {}
for _, variable in ipairs(env.list()) do
  names[variable.key] = variable.value
end
assert.eq(names.PATH, env.get("PATH"))
