local check = require("check")

-- The types of YAML 1.2's core schema.
local parsed = yaml.parse([[
name: assay
yes: no
switch: on
letter: y
date: 2026-11-23
time: 12:30:45
when: 2026-11-23T12:30:45Z
version: 1.10.2
int: 42
negative: -7
plus: +7
octal: 0o17
old_octal: 017
hex: 0xFf
binary: 0b1
grouped: 1_000
float: 2.5
whole: 1.0
point: .5
exponent: 1e3
infinite: -.inf
t: true
f: False
quoted: "true"
single: '12'
empty:
tilde: ~
word: null
merge: {"<<": x}
equals: =
8080: http
true: t
0x10: sixteen
]])
assert.eq(parsed.name, "assay")
assert.eq(parsed.yes, "no")
assert.eq(parsed.switch, "on")
assert.eq(parsed.letter, "y")
assert.eq(parsed.date, "2026-11-23")
assert.eq(parsed.time, "12:30:45")
assert.eq(parsed.when, "2026-11-23T12:30:45Z")
assert.eq(parsed.version, "1.10.2")
assert.eq({ parsed.int, parsed.negative, parsed.plus, parsed.octal, parsed.hex }, { 42, -7, 7, 15, 255 })
assert.eq(parsed.old_octal, 17)
assert.eq({ parsed.binary, parsed.grouped, parsed.equals }, { "0b1", "1_000", "=" })
assert.eq({ parsed.float, parsed.whole, parsed.point, parsed.exponent }, { 2.5, 1.0, 0.5, 1000.0 })
assert.eq(math.type(parsed.whole), "float")
assert.eq(math.type(parsed.int), "integer")
assert.eq(parsed.infinite, -math.huge)
assert.eq({ parsed.t, parsed.f }, { true, false })
assert.eq({ parsed.quoted, parsed.single }, { "true", "12" })
assert.eq({ parsed.empty, parsed.tilde, parsed.word }, {})
assert.eq(parsed.merge, { ["<<"] = "x" })
assert.eq({ parsed["8080"], parsed["true"], parsed["16"] }, { "http", "t", "sixteen" })
local nan = yaml.parse(".nan")
assert.ne(nan, nan)
assert.eq(yaml.parse("9223372036854775807"), math.maxinteger)
assert.eq(yaml.parse("-9223372036854775808"), math.mininteger)
assert.eq(math.type(yaml.parse("-9223372036854775808")), "integer")
assert.eq(math.type(yaml.parse("-9223372036854775809")), "float")
assert.eq(math.type(yaml.parse("9223372036854775808")), "float")

-- Structure.
assert.eq(yaml.parse("- one\n- {a: [1, {b: c}]}\n- []\n- {}"), { "one", { a = { 1, { b = "c" } } }, {}, {} })
assert.eq(json.encode(yaml.parse("a: []\nb: {}\nc: [~]")), '{"a":[],"b":{},"c":[null]}')
assert.eq(yaml.parse("text: |\n  one\n  two\nfolded: >-\n  a\n  b\n"), { text = "one\ntwo\n", folded = "a b" })
assert.eq(yaml.parse("a: &x [1]\nb: *x"), { a = { 1 }, b = { 1 } })
assert.eq(yaml.parse("&k a: 1\nb: *k"), { a = 1, b = "a" })
assert.eq(yaml.parse('"\\u00e9\\0\\x41"'), "é\0A")
assert.eq(yaml.parse("!!str 12"), "12")
assert.eq(yaml.parse("!!float 1"), 1.0)
assert.eq(yaml.parse("! 12"), "12")
assert.eq(yaml.parse("!!seq [1]"), { 1 })
assert.eq(yaml.parse(""), nil)
assert.eq(yaml.parse("# only a comment\n"), nil)
assert.eq(yaml.parse("null"), nil)
assert.eq(yaml.parse("\u{FEFF}a: 1"), { a = 1 })
assert.eq(yaml.parse("a: 1\r\nb: 2\r\n"), { a = 1, b = 2 })

-- Several documents.
assert.eq(yaml.parse("---\na: 1\n..."), { a = 1 })
assert.eq(yaml.parse_all("a: 1\n---\nb\n---\n"), { { a = 1 }, "b", json.null })
assert.eq(json.encode(yaml.parse_all("")), "[]")
check.raises("yaml.parse: found a second document; use yaml.parse_all at line 2 column 1", yaml.parse, "a\n---\nb")

-- Errors and their positions.
for text, problem in pairs({
  ["a: !!python/object/apply:os.system [id]"] = "the tag !!python/object/apply:os.system is not in the core schema",
  ["!foo a"] = "the tag !foo is not in the core schema at line 1 column 1",
  ["!!binary aGk="] = "the tag !!binary is not in the core",
  ["!!timestamp 2026-01-01"] = "the tag !!timestamp is not in the core",
  ["!!set {a, b}"] = "the tag !!set is not in the core",
  ["!!int abc"] = "the value is not a valid !!int at line 1 column 1",
  ["a: 1\nb: 2\na: 3"] = "duplicate key 'a' at line 3 column 1",
  ["1: a\n'1': b"] = "duplicate key '1'",
  ["&a [*a]"] = "the alias 'a' occurs within its own anchor at line 1 column 5",
  ["[*x]"] = "unknown alias 'x' at line 1 column 2",
  ["? [1]\n: 2"] = "mappings and sequences cannot be keys at line 1 column 3",
  ["a: ["] = "while parsing a flow node: expected the node content, but found '<stream end>' at line 1 column 5",
  ["a\0b"] = "the character U+0000 is not allowed at position 2",
  [("["):rep(100000)] = "more than 200 levels at line 1 column 201",
  [("- "):rep(100000) .. "x"] = "more than 200 levels",
}) do
  check.fails("yaml.parse: " .. problem, yaml.parse, text)
end
check.raises("yaml.parse: bad argument 'text' (expected a UTF-8 string, got invalid UTF-8)", yaml.parse, "\xff")
check.raises("yaml.parse: bad argument 'text' (string expected, got nil)", yaml.parse)

-- Aliases that would expand to a billion strings.
local bomb, previous = { "a: &a [lol,lol,lol,lol,lol,lol,lol,lol,lol]" }, "a"
for name in ("bcdefghi"):gmatch(".") do
  bomb[#bomb + 1] = ("%s: &%s [%s]"):format(name, name, ("*" .. previous .. ","):rep(9))
  previous = name
end
check.fails("yaml.parse: aliases expand the document too much at line ", yaml.parse, table.concat(bomb, "\n"))
local long = "a: &a " .. ("x"):rep(100000) .. "\nb: [" .. ("*a,"):rep(1000) .. "]"
check.fails("yaml.parse: aliases expand the document too much at line 2", yaml.parse, long)
assert.eq(#yaml.parse("a: &a x\nb: [" .. ("*a,"):rep(10000) .. "]").b, 10000)

-- Encoding.
assert.eq(
  yaml.encode({ b = { 1, 2.5, "x", json.null }, a = true, c = {}, d = json.array(), [8080] = "y" }),
  "'8080': 'y'\na: true\nb:\n- 1\n- 2.5\n- x\n- null\nc: {}\nd: []\n"
)
assert.eq(yaml.encode("text"), "text\n")
assert.eq(yaml.encode(1), "1\n")
assert.eq(yaml.encode({ text = "one\ntwo\n" }), "text: |\n  one\n  two\n")
assert.eq(yaml.encode({ s = "grüße €" }), "s: grüße €\n")
assert.eq(yaml.encode({ s = ("word "):rep(100) .. "end" }), "s: " .. ("word "):rep(100) .. "end\n")
for _, text in ipairs({
  "yes",
  "No",
  "on",
  "2026-11-23",
  "12:30:45",
  "012",
  "1_000",
  "=",
  "<<",
  "~",
  "",
  ".5",
  "0o17",
  "y",
}) do
  assert.contains(yaml.encode({ text }), "'" .. text .. "'")
end

local function same(value)
  assert.eq(yaml.parse(yaml.encode(value)), value)
end
for _, value in ipairs({
  "true",
  "null",
  "1",
  "1.5",
  "1e5",
  ".inf",
  " a ",
  "a: b",
  "# a",
  "- a",
  "*a",
  "&a",
  "!a",
  "%a",
  "@a",
  "`a",
  "{",
  "[",
  "'",
  '"',
  "\\",
  "\n",
  "a\n",
  "\na",
  "a\n\nb",
  " a\nb",
  "a \nb ",
  "\t",
  "a\tb",
  "\0",
  "\1",
  "\127",
  "\u{85}",
  "\u{2028}",
  "\u{FEFF}",
  "a\r\nb",
  "é",
  "😀",
  "---",
  "...",
  "...\n",
  "Loading...\n",
  "a\n...\n",
  "a\n...\n\n",
  "a #b",
  "?",
  "? a",
  ("x"):rep(5000),
  0,
  -1,
  math.maxinteger,
  math.mininteger,
  0.1,
  1e300,
  1e-7,
  -0.0,
  1e16,
  math.huge,
  -math.huge,
  true,
  false,
}) do
  same(value)
  same({ value })
  same({ [tostring(value)] = { value } })
end
same({ a = { b = { { c = {} }, json.array(), { 1, { 2, { 3 } } } } } })

check.fails("yaml.encode: invalid UTF-8 in a string", yaml.encode, { a = { "\xff" } })
check.raises(
  "yaml.encode: bad argument 'value' (not serializable: a thread at .a)",
  yaml.encode,
  { a = coroutine.create(print) }
)
check.raises("yaml.encode: bad argument 'value', item 1 (functions cannot be serialized)", yaml.encode, { print })
local deep = {}
for _ = 1, 300 do
  deep = { deep }
end
check.raises("yaml.encode: more than 200 levels", yaml.encode, deep)
