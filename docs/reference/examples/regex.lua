--- regex.match
assert(regex.match("order 42", "[0-9]+"))

--- regex.find
local result = regex.find("order 42", "(?P<number>[0-9]+)")
assert.eq(result.match, "42")
assert.eq(result.named.number, "42")
assert.eq(result.start, 7)

--- regex.find_all
assert.eq(regex.find_all("1, 22, 333", "[0-9]+"), { "1", "22", "333" })

--- regex.replace
assert.eq(regex.replace("2026-11-29", "([0-9]+)-([0-9]+)-([0-9]+)", "$3.$2.$1"), "29.11.2026")
