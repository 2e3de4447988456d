--- sleep
local began = time()
sleep(0.01) -- only this coroutine waits
assert.gt(time(), began)
