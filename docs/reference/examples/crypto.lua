--- crypto.random
local token = crypto.random(16)
assert.eq(#token, 32) -- two hexadecimal digits for each byte

--- crypto.hash
assert.eq(crypto.hash("hello", "sha256"):sub(1, 8), "2cf24dba")

--- crypto.hmac
local signature = crypto.hmac("a secret", "a message", "sha256")
assert.eq(#signature, 64)

--- crypto.jwt_sign crypto.jwt_verify
local key = string.rep("k", 32)
local token = crypto.jwt_sign({ sub = "ada", exp = math.floor(time()) + 60 }, key, "HS256")
local verified = crypto.jwt_verify(token, key, { algorithms = { "HS256" } })
assert.eq(verified.claims.sub, "ada")

--- crypto.jwt_decode
local token = crypto.jwt_sign({ sub = "ada" }, string.rep("k", 32), "HS256")
assert.eq(crypto.jwt_decode(token).claims.sub, "ada") -- not verified

--- crypto.uuid
assert.matches(crypto.uuid(), "^%x+%-%x+%-4%x+%-%x+%-%x+$")
