local check = require("check")

-- In the script's modules/, and in the folder of the script.
assert.eq(require("found").name, "found")
assert(require("found") == require("found"), "a module is loaded once")
assert(package.loaded.found == require("found"))
assert.eq(require("found.deep.er"), "deeper")
assert.eq(require("sibling"), { "sibling", "sibling.lua" })
assert.eq(require("silent"), true)

-- A module may wait, and sees the globals of the script.
a_global = "seen"
assert.eq(require("waits"), "seen")

-- Errors name the module and the searched paths.
local ok, problem = pcall(require, "no.such")
assert.eq(ok, false)
assert.matches(problem, "^require: module 'no%.such' not found:\n\tno file '")
for _, place in ipairs({ "modules/no/such.lua'", "modules/no/such/init.lua'", "/.assay/modules/no/such.lua'" }) do
  assert.contains(problem, place)
end
assert.matches(problem, "\n\tnot a built%-in module %(assay%.temporal[^\n]*%)$")

-- Built-in modules.
assert(require("assay.temporal") == require("assay.temporal"))
assert(require("assay.temporal") == package.loaded["assay.temporal"])
assert.eq(assay, nil, "they are no globals")

-- Lua's own libraries are preloaded.
for _, name in ipairs({ "string", "table", "math", "utf8", "coroutine", "os" }) do
  assert(require(name) == _G[name] and package.loaded[name] == _G[name], name)
end
assert.contains(select(2, pcall(require, "broken")), "require: module 'broken': ")
assert.matches(select(2, pcall(require, "broken")), "broken%.lua:2: ")
local _, raised = pcall(require, "raises")
assert.matches(raised, "raises%.lua:1: on purpose$")
assert.matches(select(2, pcall(require, "raises")), "on purpose$")
assert.matches(
  select(2, pcall(require, "circle")),
  "^require: 'circle' requires itself: circle %-> circle2 %-> circle$"
)
assert.eq(require("found").name, "found", "an error leaves require usable")

check.raises("require: bad argument 'name' (string expected, got nil)", require)
for _, name in ipairs({ "", ".", "a..b", "../found", "/etc/passwd", "a\0b", "\xff" }) do
  assert.eq(pcall(require, name), false, name)
end

-- `package` works as in Lua: `path` is a list of templates, `preload` needs no file, `searchpath` finds a file.
assert(require("_G") == _G and require("package") == package)
assert.eq(package.config:sub(1, 1), "/")
assert.matches(package.path, "modules/%?%.lua;")
assert.eq(package.searchpath("found", package.path), "./modules/found/init.lua")
assert.eq(package.searchpath("found-deep-er", "./modules/?.lua", "-"), "./modules/found/deep/er.lua")
assert.eq(
  { package.searchpath("no.such", "./a/?.lua;./?/b.lua") },
  { nil, "no file './a/no/such.lua'\n\tno file './no/such/b.lua'" }
)
package.preload.made = function(name, from)
  return { name, from }
end
assert.eq({ require("made") }, { { "made", ":preload:" }, ":preload:" })
local path = package.path
package.path = "./modules/found/deep/?.lua;" .. package.path
assert.eq(require("er"), "deeper")
package.path = "./nowhere/?.lua"
check.fails("require: module 'quiet' not found:\n\tno file './nowhere/quiet.lua'\n", require, "quiet")
package.path = nil
check.fails("'package.path' must be a string", require, "quiet")
package.path = path
