local check = require("check")

-- `match` searches.
assert.eq(regex.match("hello world", "^hello"), true)
assert.eq(regex.match("hello world", "world"), true)
assert.eq(regex.match("hello world", "^world"), false)
assert.eq(regex.match("", ""), true)
assert.eq(regex.match("HELLO", "(?i)hello"), true)
assert.eq(regex.match("a\nb", "(?m)^b$"), true)

-- Classes are ASCII, characters are Unicode.
assert.eq(regex.match("é", "^.$"), true)
assert.eq(regex.match("é", "\\w"), false)
assert.eq(regex.match("٣", "\\d"), false)
assert.eq(regex.match("é", "^\\pL$"), true)

-- `find`.
local found = regex.find("on 2026-02-10", "(\\d{4})-(?P<month>\\d{2})-(?<day>\\d{2})(x)?")
assert.eq(found.match, "2026-02-10")
assert.eq(found.groups, { "2026", "02", "10", json.null })
assert.eq(found.named, { month = "02", day = "10" })
assert.eq({ found.start, found.stop }, { 4, 13 })
assert.eq(("on 2026-02-10"):sub(found.start, found.stop), found.match)
assert.eq(regex.find("é1", "\\d").start, 3)
assert.eq(regex.find("hello", "^\\d+$"), nil)
assert.eq(regex.find("hello", "l+").groups, {})

-- `find_all` returns whole matches.
assert.eq(regex.find_all("foo123bar456baz", "(\\d)\\d+"), { "123", "456" })
assert.eq(json.encode(regex.find_all("x", "\\d")), "[]")
assert.eq(regex.find_all("baac", "a*"), { "", "aa", "" })
assert.eq(regex.find_all("aé", ""), { "", "", "" })

-- `replace`.
assert.eq(regex.replace("aaa bbb aaa", "aaa", "ccc"), "ccc bbb ccc")
assert.eq(regex.replace("John Smith", "(\\w+) (\\w+)", "$2, $1"), "Smith, John")
assert.eq(
  regex.replace("John Smith", "(?P<first>\\w+) (\\w+)", "${2}_$first/${first}x$0"),
  "Smith_John/JohnxJohn Smith"
)
assert.eq(regex.replace("5", "\\d", "$$$0 %1 \\1 $"), "$5 %1 \\1 $")
assert.eq(regex.replace("ab", "(x)?", "<$1>"), "<>a<>b<>")
assert.eq(regex.replace("é€", "", "-"), "-é-€-")
assert.eq(regex.replace("none", "\\d", "x"), "none")

-- Any bytes.
assert.eq(regex.match("\xff\xfe", "^..$"), true)
assert.eq(regex.find("a\xff\0b", "\xff\\x00").match, "\xff\0")
assert.eq(regex.replace("\xff\xfe", "\\xff", "\0"), "\0\xfe")
assert.eq(regex.find_all("\xff1\xff", "[^0-9]"), { "\xff", "\xff" })
assert.eq(regex.match("a\0b", "a\0b"), true)

-- Matching takes linear time.
local began = os.clock()
assert.eq(regex.match(("a"):rep(1000000), "(a*)*(a|aa)+$b"), false)
assert.eq(regex.match(("x"):rep(100000), "(x+x+)+y"), false)
assert.lt(os.clock() - began, 10)

-- Errors.
check.raises("regex.match: bad pattern: missing ]: [", regex.match, "x", "[")
check.raises("regex.find: bad pattern: invalid perl operator: (?=", regex.find, "x", "(?=a)")
check.fails("regex.find_all: bad pattern: ", regex.find_all, "x", "(((a{1000}){1000}){1000}){1000}")
check.raises("regex.match: bad argument 'pattern' (string expected, got nil)", regex.match, "x")
check.raises("regex.replace: bad argument 'replacement' (the pattern has no group '1')", regex.replace, "x", "x", "$1")
check.raises(
  "regex.replace: bad argument 'replacement' (the pattern has no group 'n')",
  regex.replace,
  "x",
  "x",
  "${n}"
)
