--- time
assert.gt(time(), 1.7e9) -- seconds since 1970, with a fraction
