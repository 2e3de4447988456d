-- Records which lines of a script's files run. Each line is reported once per state. A coroutine can have only one hook,
-- so this one also calls the count hook of the limits.
local host = ...

local internal = {}
host.fill(internal, "_.coverage")

local getinfo, sethook = debug.getinfo, debug.sethook
local concat, load, setmetatable, sub = table.concat, load, setmetatable, string.sub

local files = {} -- file name -> set of recorded lines
local lines_of = setmetatable({}, { __mode = "k" }) -- function -> entry of `files`; false if it is not in a file
local names_of = setmetatable({}, { __mode = "k" }) -- function -> file name

local function find_file(fn)
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
    lines = find_file(fn)
  end
  if lines and not lines[line] then
    lines[line] = true
    internal.hit(names_of[fn], line)
  end
end

function host.watch(co)
  sethook(co, hook, "l", host.count_hook and host.HOOK_COUNT or 0)
end

-- Return the line numbers of a function's own code, separated by spaces. `text` is a chunk, or the source of a function
-- from its parameters on. Upvalues of the function do not matter: it is never called.
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
