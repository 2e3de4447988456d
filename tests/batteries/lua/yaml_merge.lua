local check = require("check")

-- A merge key adds the entries of another mapping; the mapping's own entries win, in any order.
local parsed = yaml.parse([[
base: &base
  image: alpine
  retry: 2
before:
  retry: 5
  <<: *base
after:
  <<: *base
  retry: 5
]])
assert.eq(parsed.before, { image = "alpine", retry = 5 })
assert.eq(parsed.after, { image = "alpine", retry = 5 })
assert.eq(parsed.base, { image = "alpine", retry = 2 })

-- A null is an entry, too: it hides the merged one.
assert.eq(yaml.parse("base: &b {x: 1, y: 2}\njob:\n  <<: *b\n  x: null\n").job, { y = 2 })

-- Of several mappings, the first that has a key wins.
parsed = yaml.parse("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  w: 3\n")
assert.eq(parsed.c, { w = 3, x = 1, y = 1, z = 2 })

-- A merged mapping may contain merges, be written inline, or be empty.
parsed = yaml.parse([[
one: &one { a: 1 }
two: &two
  <<: *one
  b: 2
three:
  <<: *two
  c: { <<: { d: 4 } }
four: { <<: {}, e: 5 }
]])
assert.eq(parsed.three, { a = 1, b = 2, c = { d = 4 } })
assert.eq(parsed.four, { e = 5 })
assert.eq(yaml.parse("!!merge <<: {a: 1}"), { a = 1 })

-- Quoted keys and values do not merge.
assert.eq(yaml.parse('"<<": 1'), { ["<<"] = 1 })
assert.eq(yaml.parse("!!str <<: 1"), { ["<<"] = 1 })
assert.eq(yaml.parse("[<<, {a: <<}]"), { "<<", { a = "<<" } })
assert.eq(yaml.parse(yaml.encode({ ["<<"] = { "<<" } })), { ["<<"] = { "<<" } })

for text, problem in pairs({
  ["a:\n  <<: 1"] = "the value of '<<' must be a mapping or a sequence of mappings at line 2 column 7",
  ["<<:"] = "the value of '<<' must be a mapping or a sequence of mappings at line 1 column 4",
  ["<<: [{a: 1}, [b]]"] = "the value of '<<' must be a mapping or a sequence of mappings at line 1 column 5",
  ["<<: {a: 1}\n<<: {b: 1}"] = "duplicate key '<<' at line 2 column 1",
  ["a: &a\n  <<: *a"] = "the alias 'a' occurs within its own anchor at line 2 column 7",
}) do
  check.raises("yaml.parse: " .. problem, yaml.parse, text)
end
