--- toml.parse
assert.eq(toml.parse('port = 80\n[db]\nname = "main"'), { port = 80, db = { name = "main" } })

--- toml.encode
assert.eq(toml.encode({ port = 80 }), "port = 80\n")
