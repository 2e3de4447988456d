assert.matches(os.hostname(), "^[%w%.%-]+$")
assert.contains({ "x86_64", "aarch64" }, os.arch())
assert.contains({ "linux", "macos" }, os.platform())

assert.eq(math.type(os.time()), "integer")
assert.lt(math.abs(os.time() - time()), 60)
assert.eq(
  os.time({ year = 2026, month = 1, day = 2, hour = 12 }) - os.time({ year = 2026, month = 1, day = 1, hour = 12 }),
  86400
)
assert.eq(os.date("!%Y-%m-%dT%H:%M:%SZ", 0), "1970-01-01T00:00:00Z")
assert.eq(os.date("!*t", 0).year, 1970)
assert.eq(math.type(os.clock()), "float")
assert.eq(os.difftime(10, 4), 6.0)
assert.not_nil(os.getenv("PATH"))

for _, name in ipairs({ "execute", "remove", "rename", "tmpname", "setlocale" }) do
  assert.eq(os[name], nil, name)
end
