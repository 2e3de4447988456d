local check = require("check")

local usage = disk.usage("/")
assert.gt(usage.total, 0)
assert.eq(usage.used, usage.total - usage.free)
assert.eq(math.type(usage.available), "integer")
assert(usage.percent >= 0 and usage.percent <= 100)
check.raises("disk.usage: /none/of/these: No such file or directory", disk.usage, "/none/of/these")

local folder = fs.tempdir()
assert.eq(disk.dir_size(folder), 0)
fs.write(folder .. "/a", "hello")
fs.write(folder .. "/sub/deep/b\xff", "world!")
assert.eq(disk.dir_size(folder), 11)

-- Symbolic links are not followed, neither out of the folder nor in cycles.
local outside = fs.tempdir()
fs.write(outside .. "/kept", ("x"):rep(1000))
assert.eq(shell.exec("ln -s " .. outside .. " out; ln -s . round; ln -s none dangling", { cwd = folder }).status, 0)
assert.eq(disk.dir_size(folder), 11)
check.raises("disk.dir_size: " .. folder .. "/none: No such file or directory", disk.dir_size, folder .. "/none")
check.raises("disk.dir_size: " .. folder .. "/a: Not a directory", disk.dir_size, folder .. "/a")

assert.eq(disk.sweep(folder, 3600), 0)
shell.exec("touch -d '2 hours ago' old && touch -h -d '2 hours ago' out dangling sub", { cwd = folder })
assert.eq(disk.sweep(folder, 3600), 4)
local left = {}
for i, entry in ipairs(fs.list(folder)) do
  left[i] = entry.name
end
assert.eq(left, { "a", "round" })
assert.eq(fs.exists(outside .. "/kept"), true)
sleep(0.02)
assert.eq(disk.sweep(folder, 0), 2)
assert.eq(disk.sweep(folder, 0), 0)
check.raises("disk.sweep: " .. folder .. "/none: No such file or directory", disk.sweep, folder .. "/none", 1)
check.raises("disk.sweep: bad argument 'max_age_secs' (number expected, got nil)", disk.sweep, folder)
fs.remove(folder)
fs.remove(outside)
