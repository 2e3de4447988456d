--- fs.read fs.write
local path = fs.tempdir() .. "/notes/today.txt"
fs.write(path, "buy milk\n") -- creates the folder
assert.eq(fs.read(path), "buy milk\n")

--- fs.read_bytes fs.write_bytes
local path = fs.tempdir() .. "/data.bin"
fs.write_bytes(path, "\0\255")
assert.eq(#fs.read_bytes(path), 2)

--- fs.exists fs.remove
local path = fs.tempdir() .. "/file.txt"
fs.write(path, "text")
assert(fs.exists(path))
fs.remove(path)
assert(not fs.exists(path))

--- fs.list
local folder = fs.tempdir()
fs.write(folder .. "/a.txt", "a")
assert.eq(fs.list(folder)[1].name, "a.txt")

--- fs.readdir
local folder = fs.tempdir()
fs.write(folder .. "/deep/er/a.txt", "a")
assert.eq(#fs.readdir(folder, { depth = 1 }), 1)
assert.eq(#fs.readdir(folder), 3)

--- fs.glob
local folder = fs.tempdir()
fs.write(folder .. "/a.txt", "a")
fs.write(folder .. "/deep/b.txt", "b")
assert.eq(#fs.glob(folder .. "/**/*.txt"), 2)

--- fs.mkdir
local folder = fs.tempdir() .. "/a/b"
fs.mkdir(folder) -- creates missing parents too
assert(fs.exists(folder))

--- fs.copy
local folder = fs.tempdir()
fs.write(folder .. "/a.txt", "12345")
assert.eq(fs.copy(folder .. "/a.txt", folder .. "/b.txt"), 5)

--- fs.rename
local folder = fs.tempdir()
fs.write(folder .. "/a.txt", "a")
fs.rename(folder .. "/a.txt", folder .. "/b.txt")
assert(fs.exists(folder .. "/b.txt"))

--- fs.chmod fs.stat
local path = fs.tempdir() .. "/run.sh"
fs.write(path, "#!/bin/sh\n")
fs.chmod(path, "755")
local stat = fs.stat(path)
assert.eq(stat.size, 10)

--- fs.tempdir
local folder = fs.tempdir() -- a new, empty folder
assert.eq(#fs.list(folder), 0)
