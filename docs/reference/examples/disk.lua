--- disk.usage
local usage = disk.usage("/")
assert.gt(usage.total, usage.free)

--- disk.sweep
local folder = fs.tempdir()
fs.write(folder .. "/recent.txt", "new")
assert.eq(disk.sweep(folder, 3600), 0) -- removes files older than an hour; returns their number

--- disk.dir_size
local folder = fs.tempdir()
fs.write(folder .. "/five.txt", "12345")
assert.eq(disk.dir_size(folder), 5)
