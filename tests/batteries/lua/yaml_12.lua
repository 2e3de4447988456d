-- Documents that are valid in YAML 1.2 but not in 1.1, which libyaml implements.
local check = require("check")
local parse = yaml.parse

-- A block scalar whose text begins with a tab.
assert.eq(parse("run: |\n  \tmake all\n  \tmake install\n"), { run = "\tmake all\n\tmake install\n" })
assert.eq(parse("- |\n\n  \tone\n   two\n- >-\n \tthree\n"), { "\n\tone\n two\n", "\tthree" })
assert.eq(parse("a:\n  - b: |-\n      \tc\n    d: 1\n"), { a = { { b = "\tc", d = 1 } } })
assert.eq(parse("|\n \tx"), "\tx")

-- Surrogate pairs, as in JSON.
assert.eq(parse([["\ud83d\ude00"]]), "😀")
assert.eq(parse([[{"a\uD83D\uDE00": ["\u00e9\ud83d\ude00!", '\ud83d\ude00', \ud83d\ude00]}]]), {
  ["a😀"] = { "é😀!", [[\ud83d\ude00]], [[\ud83d\ude00]] },
})
for _, text in ipairs({ [["\ud83d"]], [["\ude00\ud83d"]], [["\ud83dx\ude00"]], [["\UFFFFFFFF"]], [["\U00110000"]] }) do
  check.raises(
    "yaml.parse: while scanning a double-quoted scalar: found an invalid escape sequence at line 1 column 4",
    parse,
    "a: " .. text
  )
end

-- Colons and question marks in flow collections.
assert.eq(parse("{x: :x, y: ::y, z: ?a}"), { x = ":x", y = "::y", z = "?a" })
assert.eq(parse('{"a":1, "b":"c", d: {"e":[1]}}'), { a = 1, b = "c", d = { e = { 1 } } })
assert.eq(parse('{"key":value, "other"::value}'), { key = "value", other = ":value" })
assert.eq(parse('{"a"\n: 1, b\n: 2, "c" # text\n  :3}'), { a = 1, b = 2, c = 3 })
assert.eq(parse('{"two\n lines": 1, two\n  words: 2}'), { ["two lines"] = 1, ["two words"] = 2 })
assert.eq(parse("[a: b, ::c, {d}]"), { { a = "b" }, "::c", {} })
check.fails("yaml.parse: ", parse, '["a"\n: b, :c]')

-- Tabs between tokens, and in lines with nothing else, but not as indentation.
assert.eq(parse("a:\t1\nb:\t# text\n -\tc\n\t\nd: x\ty\t\n"), { a = 1, b = { "c" }, d = "x\ty" })
assert.eq(parse("\t[\n\t1\t,\n2\t]\t"), { 1, 2 })
assert.eq(parse("a: one\n \ttwo\n\t\n  three\n-: |\n b"), { a = "one two\nthree", ["-"] = "b" })
assert.eq(parse("-\t-1"), { -1 })
for _, text in ipairs({ "a:\n\tb: 1", "a:\n  b: 1\n\tc: 2", "-\t- a", "a:\n\t- b", "a: b\n\tc: d", "a:\tb: c" }) do
  check.fails("yaml.parse: ", parse, text)
end

-- Anchor names.
assert.eq(parse("a: &:@!$ x\nb: *:@!$\nc: &😁 y\nd: *😁\n"), { a = "x", b = "x", c = "y", d = "y" })
assert.eq(parse("a: &b:c d\ne: *b:c"), { a = "d", e = "d" })
assert.eq(parse("[?x, { ?y: 1 }]"), { "?x", { ["?y"] = 1 } })
check.fails("yaml.parse: while scanning an anchor or an alias: expected its name at line 1 column 5", parse, "a: & x")

-- Directives of later versions, and documents that follow "..." without "---".
assert.eq(parse("%YAML 1.3\n---\na"), "a")
assert.eq(parse("%OTHER x y # text\n---\na"), "a")
assert.eq(yaml.parse_all("one\n...\ntwo: 2\n...\n...\n- 3\n"), { "one", { two = 2 }, { 3 } })
check.fails("yaml.parse_all: expected a line break after '...'", yaml.parse_all, "one\n... two")

-- Errors of documents that neither version allows have a position.
check.raises(
  "yaml.parse: while parsing a flow sequence: expected ',' or ']', but got '<stream end>' at line 3 column 6",
  parse,
  "a: |\n  \tx\nb: [1"
)
check.raises("yaml.parse: duplicate key 'a' at line 2 column 1", parse, 'a: "\\ud83d\\ude00"\na: 1')

-- Long documents are only parsed as YAML 1.1.
local long = "- |\n  \tx\n" .. ("- 1\n"):rep(70000)
check.fails("yaml.parse: while scanning a block scalar: found a tab character where an indentation", parse, long)
