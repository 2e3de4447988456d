local check = require("check")

local parsed = toml.parse([=[
title = "TOML"
int = 42
float = 3.0
hex = 0xff
on = true
when = 1979-05-27T07:32:00Z
offset = 1979-05-27T00:32:00.5-07:00
naive = 1979-05-27T07:32:00
date = 1979-05-27
time = 07:32:00
inf = -inf
"quoted key" = 'C:\x'
dotted.a.b = [1, [2], {c = 3}]
empty = []
none = {}

[server]
host = "localhost"
[server.tls]
enabled = false
[[points]]
x = 1
[[points]]
x = 2
]=])
assert.eq({ parsed.title, parsed.int, parsed.float, parsed.hex, parsed.on }, { "TOML", 42, 3.0, 255, true })
assert.eq(math.type(parsed.float), "float")
assert.eq(parsed.when, "1979-05-27T07:32:00Z")
assert.eq(parsed.offset, "1979-05-27T00:32:00.500000-07:00")
assert.eq({ parsed.naive, parsed.date, parsed.time }, { "1979-05-27T07:32:00", "1979-05-27", "07:32:00" })
assert.eq(parsed.inf, -math.huge)
assert.eq(parsed["quoted key"], "C:\\x")
assert.eq(parsed.dotted, { a = { b = { 1, { 2 }, { c = 3 } } } })
assert.eq(json.encode({ parsed.empty, parsed.none }), "[[],{}]")
assert.eq(parsed.server, { host = "localhost", tls = { enabled = false } })
assert.eq(parsed.points, { { x = 1 }, { x = 2 } })
assert.eq(toml.parse(""), {})
assert.eq(toml.parse("a = '\u{1F600}'\r\n").a, "😀")
assert.eq(toml.parse("\u{FEFF}a = 1\n"), { a = 1 }, "a byte order mark")
check.fails("toml.parse: Invalid statement", toml.parse, "\u{FEFF}\u{FEFF}a = 1\n")

assert.eq(
  toml.encode({ b = 1, a = "x", server = { host = "h", tls = {} }, f = 1.0, n = json.array() }),
  'a = "x"\nb = 1\nf = 1.0\nn = []\n\n[server]\nhost = "h"\n\n[server.tls]\n'
)
assert.eq(toml.encode({}), "")
for _, value in ipairs({
  { text = 'a\n"b"\\\t\0\1\127é😀' },
  { ["odd key.\n"] = { [""] = { 1, 2.5, { a = { b = 1 } } } } },
  { [1] = "x", a = 1 },
  { big = math.maxinteger, small = math.mininteger, tiny = 1e-300 },
}) do
  local again = toml.parse(toml.encode(value))
  assert.eq(json.encode(toml.parse(toml.encode(again))), json.encode(again))
end
assert.eq(toml.parse(toml.encode(parsed)), parsed)
assert.contains(toml.encode({ nan = 0 / 0 }), "nan = nan")

for text, problem in pairs({
  ["= 1"] = "Invalid statement (at line 1, column 1)",
  ["a = 1\na = 2"] = "Cannot overwrite a value (at end of document)",
  ["a = 99999999999999999999"] = "integer exceeds 64 bits",
  ["a = " .. ("9"):rep(5000)] = "integer exceeds 64 bits",
  ["a = yes"] = "Invalid value (at line 1, column 5)",
  ["a = " .. ("{b="):rep(300) .. "1" .. ("}"):rep(300)] = "the value is nested too deeply",
  ["a = " .. ("["):rep(10000)] = "the value is nested too deeply",
}) do
  check.fails("toml.parse: " .. problem, toml.parse, text)
end
check.raises("toml.parse: bad argument 'text' (expected a UTF-8 string, got invalid UTF-8)", toml.parse, "\xff")
check.raises("toml.encode: TOML cannot represent null, at .a.b[2]", toml.encode, { a = { b = { 1, json.null } } })
check.raises("toml.encode: invalid UTF-8 at .a", toml.encode, { a = "\xff" })
for _, value in ipairs({ { 1, 2 }, "x", 5, json.array() }) do
  check.raises("toml.encode: bad argument 'value' (a table with string keys expected)", toml.encode, value)
end
check.raises("toml.encode: bad argument 'value' (value expected, got nil)", toml.encode)
