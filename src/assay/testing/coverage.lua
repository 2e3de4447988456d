-- Which lines of the files of a script run. Every coroutine records each line when it runs it for the first time in its
-- state; the hook of the limits, of which a coroutine can have one only, continues in here.
local host = ...

local internal = {}
host.fill(internal, "_.coverage")

local getinfo, sethook = debug.getinfo, debug.sethook
local concat, load, setmetatable, sub = table.concat, load, setmetatable, string.sub

local files = {} -- name of a file -> its lines that were recorded
local lines_of = setmetatable({}, { __mode = "k" }) -- function -> those of its file; false for what is in no file
local names_of = setmetatable({}, { __mode = "k" }) -- function -> the name of its file

local function look(fn)
  local source = getinfo(fn, "S").source
  if sub(source, 1, 1) ~= "@" then
    lines_of[fn] = false
    return false
  end
  local name = sub(source, 2)
  files[name] = files[name] or {}
  lines_of[fn], names_of[fn] = files[name], name
  return files[name]
end

local function hook(event, line)
  if event == "count" then
    return host.count_hook()
  end
  local fn = getinfo(2, "f").func
  local lines = lines_of[fn]
  if lines == nil then
    lines = look(fn)
  end
  if lines and not lines[line] then
    lines[line] = true
    internal.hit(names_of[fn], line)
  end
end

function host.watch(co)
  sethook(co, hook, "l", host.count_hook and host.HOOK_COUNT or 0)
end

-- The numbers of the lines of a function's own code, with spaces between them. `text` is a chunk, or from its
-- parameters on a function, which may be anywhere: what it takes from around it does not matter.
function host.active_lines(text, is_function)
  local fn = load(is_function and "return function" .. text or text, "=?", "t", {})
  if not fn then
    return ""
  end
  local numbers = {}
  for line in next, getinfo(is_function and fn() or fn, "L").activelines do
    numbers[#numbers + 1] = line
  end
  return concat(numbers, " ")
end
