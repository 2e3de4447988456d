--- sleep
local start = time()
sleep(0.01) -- only this coroutine waits
assert.gt(time(), start)
