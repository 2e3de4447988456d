local check = require("check")

assert.eq(base64.encode(""), "")
assert.eq(base64.encode("hello"), "aGVsbG8=")
assert.eq(base64.decode("aGVsbG8="), "hello")

local all = {}
for i = 0, 255 do
  all[#all + 1] = string.char(i)
end
local bytes = table.concat(all)
assert.eq(base64.decode(base64.encode(bytes)), bytes)
assert.eq(base64.decode(base64.encode(bytes:rep(1000))), bytes:rep(1000))

for _, text in ipairs({ "QQ", "QQ=", "Q", "Q Q=", "QQ==\n", "QQ==QQ==", "Q-_=", "é", "QR==", "QQ==x" }) do
  local ok, problem = pcall(base64.decode, text)
  assert.eq(ok, false, text)
  assert.matches(problem, "^base64.decode: invalid Base64: ", text)
end

check.raises("base64.encode: bad argument 'data' (string expected, got nil)", base64.encode)
check.raises("base64.decode: bad argument 'text' (string expected, got table)", base64.decode, {})
