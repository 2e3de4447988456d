--- os.hostname
assert.gt(#os.hostname(), 0)

--- os.arch
assert.matches(os.arch(), "%w+") -- such as "x86_64"

--- os.platform
assert.matches(os.platform(), "%w+") -- "linux" or "macos"

--- os.getenv
assert.eq(os.getenv("PATH"), env.get("PATH"))

--- os.exit
os.exit(0) -- closes services and connections first
