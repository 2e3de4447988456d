local check = require("check")

local root = fs.tempdir()
local function at(path)
  return root .. "/" .. path
end

-- Reading and writing.
fs.write(at("a/b/text.txt"), "grüße\r\n")
assert.eq(fs.read(at("a/b/text.txt")), "grüße\r\n")
fs.write(at("a/b/text.txt"), "short")
assert.eq(fs.read(at("a/b/text.txt")), "short")
local bytes = "\0\xff\xfe" .. ("x"):rep(100000)
fs.write_bytes(at("c/data.bin"), bytes)
assert(fs.read_bytes(at("c/data.bin")) == bytes)
check.raises("fs.read: " .. at("c/data.bin") .. ": invalid UTF-8; use fs.read_bytes", fs.read, at("c/data.bin"))
check.raises("fs.read: " .. at("none") .. ": No such file or directory", fs.read, at("none"))
check.raises("fs.read: " .. root .. ": Is a directory", fs.read, root)
check.raises("fs.write: " .. at("c/data.bin") .. ": File exists", fs.write, at("c/data.bin/x"), "")
check.raises("fs.read: bad argument 'path' (string expected, got nil)", fs.read)
check.raises("fs.read: bad argument 'path' (string expected, got table)", fs.read, {})
check.raises("fs.write: bad argument 'text' (string expected, got nil)", fs.write, at("x"))
assert(not pcall(fs.read, at("a\0b")))

-- Existence and lists.
assert.eq(fs.exists(at("a")), true)
assert.eq(fs.exists(at("a/b/text.txt")), true)
assert.eq(fs.exists(at("none")), false)
assert.eq(fs.list(root), { { name = "a", type = "directory" }, { name = "c", type = "directory" } })
check.raises("fs.list: " .. at("none") .. ": No such file or directory", fs.list, at("none"))
fs.write(at("a/.hidden"), "")
assert.eq(fs.readdir(root), {
  { path = "a", name = "a", type = "directory" },
  { path = "a/.hidden", name = ".hidden", type = "file" },
  { path = "a/b", name = "b", type = "directory" },
  { path = "a/b/text.txt", name = "text.txt", type = "file" },
  { path = "c", name = "c", type = "directory" },
  { path = "c/data.bin", name = "data.bin", type = "file" },
})
assert.eq(#fs.readdir(root, { depth = 1 }), 2)
assert.eq(#fs.readdir(root, { depth = 2 }), 5)
check.raises("fs.readdir: bad option 'depth' (1 or more expected, got 0)", fs.readdir, root, { depth = 0 })
check.raises("fs.readdir: unknown option 'dept' (did you mean 'depth'?)", fs.readdir, root, { dept = 1 })
check.raises("fs.readdir: bad option 'depth' (integer expected, got string)", fs.readdir, root, { depth = "x" })

-- Patterns.
local function glob(pattern)
  local out = {}
  for i, path in ipairs(fs.glob(at(pattern))) do
    out[i] = path:sub(#root + 2)
  end
  return out
end
assert.eq(glob("**/*.txt"), { "a/b/text.txt" })
assert.eq(glob("*"), { "a", "c" })
assert.eq(glob("a/*"), { "a/.hidden", "a/b" })
assert.eq(glob("?/data.b[hij]n"), { "c/data.bin" })
assert.eq(glob("?/data.b[!i]n"), {})
assert.eq(glob("c/**"), { "c", "c/data.bin" })
assert.eq(getmetatable(fs.glob(at("none*"))).__name, "json.array")
for _, pattern in ipairs({ "a**", "**b/c", "***", "[a", "x[!", "x[]" }) do
  local ok, problem = pcall(fs.glob, pattern)
  assert.eq(ok, false, pattern)
  assert.matches(problem, "^fs.glob: bad pattern '", pattern)
end
assert.eq(fs.glob("[]]"), {})
-- Cycles of symbolic links do not prevent matches.
shell.exec("mkdir -p loops/sub && cd loops && touch sub/found && ln -s . one && ln -s . two && ln -s .. sub/up", {
  cwd = root,
})
assert.eq(glob("loops/**/found"), { "loops/sub/found" })
assert.eq(glob("loops/one/sub/*"), { "loops/one/sub/found", "loops/one/sub/up" })

-- Names that are not UTF-8.
fs.write(at("odd/\xff\xfe"), "odd")
assert.eq(fs.list(at("odd"))[1].name, "\xff\xfe")
assert.eq(fs.readdir(at("odd"))[1].path, "\xff\xfe")
assert.eq(fs.read(fs.glob(at("odd/*"))[1]), "odd")
local _, problem = pcall(fs.read, at("odd/\xfd"))
assert.contains(problem, "odd/\xfd: No such file")
for i = 1, 300 do
  fs.write(at("many/\xff" .. i), "")
end
assert.eq(#fs.list(at("many")), 300)
assert.eq(fs.list(at("many"))[300].name, "\xff99")

-- Folders, copies, renaming, permissions.
fs.mkdir(at("new/er"))
fs.mkdir(at("new/er"))
check.raises("fs.mkdir: " .. at("c/data.bin") .. ": File exists", fs.mkdir, at("c/data.bin"))
fs.chmod(at("c/data.bin"), "640")
assert.eq(fs.copy(at("c/data.bin"), at("new/copy")), #bytes)
assert(fs.read_bytes(at("new/copy")) == bytes)
assert.eq(fs.stat(at("new/copy")).permissions, "640")
check.raises(
  "fs.copy: " .. at("new/copy") .. ": source and target are the same file",
  fs.copy,
  at("new/copy"),
  at("new/copy")
)
fs.rename(at("new/copy"), at("new/moved"))
assert.eq(fs.exists(at("new/copy")), false)
assert.eq(fs.exists(at("new/moved")), true)
fs.chmod(at("new/moved"), "755")
assert.eq(fs.stat(at("new/moved")).permissions, "755")
fs.chmod(at("new/moved"), 493)
assert.eq(fs.stat(at("new/moved")).permissions, "755", "a number is the bits themselves")
fs.chmod(at("new/moved"), tonumber("600", 8))
assert.eq(fs.stat(at("new/moved")).permissions, "600")
for _, mode in ipairs({ "99", "", "-1", "0o755", "10000", 4096, -1 }) do
  local got = type(mode) == "string" and "'" .. mode .. "'" or mode
  check.raises(
    "fs.chmod: bad argument 'mode' (octal digits such as \"755\" or a number expected, got " .. got .. ")",
    fs.chmod,
    at("new/moved"),
    mode
  )
end

local stat = fs.stat(at("c/data.bin"))
assert.eq({ stat.size, stat.type, stat.is_file, stat.is_dir, stat.is_symlink }, { #bytes, "file", true, false, false })
assert.eq(math.type(stat.modified), "float")
assert.lt(math.abs(time() - stat.modified), 3600)
assert.eq(fs.stat(root).type, "directory")
check.raises("fs.stat: " .. at("none") .. ": No such file or directory", fs.stat, at("none"))

fs.remove(at("c/data.bin"))
assert.eq(fs.exists(at("c/data.bin")), false)
check.raises("fs.remove: " .. at("c/data.bin") .. ": No such file or directory", fs.remove, at("c/data.bin"))
fs.remove(root)
assert.eq(fs.exists(root), false)
