local check = require("check")

local function same(text)
  assert.eq(json.encode(json.parse(text)), text)
end

for _, text in ipairs({
  "null",
  "true",
  "false",
  "0",
  "-1",
  "1.5",
  "1.0",
  "-0.0",
  "9223372036854775807",
  "-9223372036854775808",
  "1e+300",
  '""',
  '"\\u0000a\\"\\\\\\n"',
  '"é€😀"',
  "[]",
  "{}",
  "[[]]",
  '{"a":[]}',
  '{"a":{}}',
  "[null]",
  "[1,null,2]",
  '{"a":1,"b":[1,{"c":"d"}]}',
  '[{},[],""]',
  '{"":1}',
  '{"1":"x"}',
}) do
  same(text)
end

assert.eq(math.type(json.parse("1")), "integer")
assert.eq(math.type(json.parse("1.0")), "float")
assert.eq(math.type(json.parse("1e2")), "float")
assert.eq(json.parse("12345678901234567890"), 12345678901234567890.0)
assert.eq(json.parse("-0"), 0)
assert.eq(json.parse('{"a":null,"b":1}'), { b = 1 })
assert(json.parse("null") == json.null)
assert(json.parse("[null]")[1] == json.null)
assert.eq(json.parse(' \n\t{"a" : [ 1 , 2 ] } '), { a = { 1, 2 } })
assert.eq(json.parse('"\\ud83d\\ude00\\/\\b\\f\\r\\t"'), "😀/\b\f\r\t")
assert.eq(json.parse('{"a":1,"a":2}').a, 2)
assert.eq(json.parse('{"a":1,"a":null}').a, nil)
assert.eq(json.decode("[1]"), { 1 })

assert.eq(json.encode({}), "{}")
assert.eq(json.encode(json.empty_array), "[]")
assert.eq(json.encode(json.array({})), "[]")
assert.eq(json.encode(json.array()), "[]")
assert.eq(json.array(json.empty_array), json.empty_array)
assert.eq(json.encode(nil), "null")
assert.eq(json.encode({ b = 1, a = 2, [10] = 3, c = json.null }), '{"10":3,"a":2,"b":1,"c":null}')
assert.eq(json.encode({ 1, nil, 3 }), '{"1":1,"3":3}')
assert.eq(json.encode({ [2] = 1 }), '{"2":1}')
assert.eq(json.encode({ [1.0] = "x" }), '["x"]')
assert.eq(json.encode("\127\1\u{2028}"), '"\\u007f\\u0001\u{2028}"')
assert.eq(json.encode(0.1), "0.1")
assert.eq(json.encode(1e15), "1e+15")
assert.eq(json.encode(2 ^ 53), "9007199254740992.0")
assert.eq(json.encode(1 / 3), "0.3333333333333333")
assert.eq(json.encode({ a = { 1, 2 }, b = {} }, { pretty = true }), '{\n  "a": [\n    1,\n    2\n  ],\n  "b": {}\n}')
local shared = { 1 }
assert.eq(json.encode({ shared, shared }), "[[1],[1]]")
local array = json.parse("[1]")
array[1] = nil
assert.eq(json.encode(array), "[]")
array.key = 1
assert.eq(json.encode(array), '{"key":1}')

-- Metamethods are not called.
local tricky = setmetatable({ a = 1 }, {
  __eq = function()
    return true
  end,
  __index = function()
    return 5
  end,
  __len = function()
    return 3
  end,
  __pairs = function()
    return function() end
  end,
})
assert.eq(json.encode(tricky), '{"a":1}')
assert.eq(json.encode(setmetatable({}, { __eq = error })), "{}")

-- Constants.
assert.eq(tostring(json.null), "null")
assert.eq(getmetatable(json.null), false)
assert(not pcall(function()
  json.null.x = 1
end))
assert(not pcall(function()
  json.empty_array[1] = 1
end))
assert(not pcall(setmetatable, json.null, {}))

-- Errors name the position.
local function refuses(what, value)
  check.raises("json.encode: not JSON-serializable: " .. what, json.encode, value)
end
refuses("NaN at .a[2]", { a = { 1, 0 / 0 } })
refuses("an infinite number", math.huge)
refuses("an infinite number at .x", { x = -math.huge })
refuses("a function at [1]", { print })
refuses("a thread at .co", { co = coroutine.create(print) })
refuses("a string that is not valid UTF-8 at [1]", { "\xff" })
refuses("a string that is not valid UTF-8", "\xed\xa0\x80")
refuses("a key that is not valid UTF-8", { ["\xff"] = 1 })
refuses("a table with a key of type table", { [{}] = 1 })
refuses("a table with a key of type number at .a", { a = { [1.5] = 1 } })
refuses("a table with a key of type boolean", { [true] = 1 })
refuses('a table with both the key 1 and the key "1"', { ["1"] = 1, [1] = 1, x = 1 })
refuses("an async.Task at [1]", { async.spawn(print) })
local cyclic = { a = {} }
cyclic.a.b = cyclic
refuses("a table that contains itself at .a.b", cyclic)
local deep = {}
for _ = 1, 2000 do
  deep = { deep }
end
assert.contains(select(2, pcall(json.encode, deep)), "more than 1000 levels")
assert.contains(select(2, pcall(json.parse, ("["):rep(100000))), "more than 1000 levels")
same(("["):rep(1000) .. ("]"):rep(1000))

for text, problem in pairs({
  [""] = "unexpected end at line 1 column 1",
  ["[1,]"] = "unexpected ']' at line 1 column 4",
  ["[1 2]"] = "unexpected '2' at line 1 column 4",
  ["{\n a: 1}"] = "unexpected 'a' at line 2 column 2",
  ['{"a" 1}'] = "unexpected '1' at line 1 column 6",
  ['{"a":1,}'] = "unexpected '}' at line 1 column 8",
  ["nul"] = "unexpected 'n' at line 1 column 1",
  ["01"] = "unexpected '1' at line 1 column 2",
  ["1."] = "unexpected '.' at line 1 column 2",
  ["+1"] = "unexpected '+' at line 1 column 1",
  ["NaN"] = "unexpected 'N' at line 1 column 1",
  ["'a'"] = "unexpected ''' at line 1 column 1",
  ['"a'] = "unexpected end in a string at line 1 column 3",
  ['"\\x"'] = "bad escape at line 1 column 2",
  ['"\\u12g4"'] = "bad \\u escape at line 1 column 4",
  ['"\\ud800"'] = "half of a surrogate pair at line 1 column 2",
  ['"\\udc00"'] = "half of a surrogate pair at line 1 column 2",
  ['"\n"'] = "control character in a string at line 1 column 2",
  ['"\xff"'] = "invalid UTF-8 at line 1 column 2",
  ['[1,\n2,\n"abc\xff"]'] = "invalid UTF-8 at line 3 column 5",
  ['["é\xc3"]'] = "invalid UTF-8 at line 1 column 5",
  ["1 x"] = "unexpected 'x' at line 1 column 3",
  ["[é]"] = "unexpected 'é' at line 1 column 2",
  ["\u{FEFF}{}"] = "unexpected byte order mark at line 1 column 1",
  ["[\0]"] = "unexpected byte 0x00 at line 1 column 2",
}) do
  check.raises("json.parse: " .. problem, json.parse, text)
end
check.raises("json.parse: bad argument 'text' (string expected, got nil)", json.parse)
check.raises("json.array: bad argument 't' (table expected, got json.null)", json.array, json.null)
check.raises(
  "json.array: bad argument 't' (its metatable is protected)",
  json.array,
  setmetatable({}, { __metatable = 1 })
)
check.raises("json.encode: bad argument 'options' (table expected, got boolean)", json.encode, 1, true)
check.raises("json.encode: unknown option 'pretti' (known: pretty)", json.encode, 1, { pretti = true })

-- a marked array keeps its holes, as null
assert.eq(json.encode(json.array({ 1, nil, 3 })), "[1,null,3]")
assert.eq(json.encode(json.array({ [1] = 1, [1000000] = 2 })), '{"1":1,"1000000":2}')
assert.contains(select(2, pcall(json.parse, "1e400")), "out of range")
assert.contains(select(2, pcall(json.encode, {}, { pretty = 1 })), "bad option 'pretty'")
