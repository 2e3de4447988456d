--- shell.exec
local result = shell.exec("tr a-z A-Z", { stdin = "hello", timeout = 5 })
assert.eq(result.status, 0)
assert.eq(result.stdout, "HELLO")
