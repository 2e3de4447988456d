--- base64.encode
assert.eq(base64.encode("hello"), "aGVsbG8=")

--- base64.decode
assert.eq(base64.decode("aGVsbG8="), "hello")
