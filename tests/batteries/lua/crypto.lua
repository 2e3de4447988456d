local check = require("check")

assert.matches(crypto.random(16), "^" .. ("%x"):rep(32) .. "$")
assert.ne(crypto.random(16), crypto.random(16))
check.raises("crypto.random: bad argument 'n' (1 to 1048576 expected, got 0)", crypto.random, 0)
check.raises("crypto.random: bad argument 'n' (1 to 1048576 expected, got -1)", crypto.random, -1)
assert.eq(#crypto.random(), 64)
check.raises("crypto.random: bad argument 'n' (integer expected, got number)", crypto.random, 1.5)

local sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
assert.eq(crypto.hash("abc"), sha256)
assert.eq(crypto.hash("abc", "sha256"), sha256)
assert.eq(crypto.hash("abc", "SHA256"), sha256)
local sha3 = "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"
assert.eq(crypto.hash("abc", "sha3-256"), sha3)
assert.eq(crypto.hash("abc", "sha3_256"), sha3)
for name, digits in pairs({ sha224 = 56, sha384 = 96, sha512 = 128, ["sha3-224"] = 56, ["sha3-512"] = 128 }) do
  assert.eq(#crypto.hash("\0\xff", name), digits, name)
end
for _, name in ipairs({ "md5", "sha1", "", "sha512_256", "blake2b" }) do
  local ok, problem = pcall(crypto.hash, "abc", name)
  assert.eq(ok, false, name)
  assert.contains(problem, "crypto.hash: unsupported algorithm '" .. name .. "'")
  assert.contains(select(2, pcall(crypto.hmac, "k", "d", name)), "crypto.hmac: unsupported algorithm")
end

-- RFC 4231, test cases 1 and 2.
local expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
assert.eq(crypto.hmac(("\x0b"):rep(20), "Hi There"), expected)
assert.eq(
  crypto.hmac("Jefe", "what do ya want for nothing?", "sha224"),
  "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"
)
local raw = crypto.hmac(("\x0b"):rep(20), "Hi There", "sha256", true)
assert.eq(#raw, 32)
assert.eq(
  raw:gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end),
  expected
)

local uuid = crypto.uuid()
assert.matches(uuid, "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$")
assert.ne(uuid, crypto.uuid())
