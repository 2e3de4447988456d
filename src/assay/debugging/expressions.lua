-- Expressions of a debugger: evaluated in a frame, whose variables they see and can set.
local host = ...

local debugger = host.debugger

local getlocal, getupvalue, setlocal, setupvalue, sethook =
  debug.getlocal, debug.getupvalue, debug.setlocal, debug.setupvalue, debug.sethook
local raw_close, raw_create, raw_resume, raw_status =
  coroutine.close, coroutine.create, coroutine.resume, coroutine.status
local gsub, match = string.gsub, string.match
local load, pack, rawequal, setmetatable, tonumber, unpack =
  load, table.pack, rawequal, setmetatable, tonumber, table.unpack

local NAME = "=(expression)"
local BUDGET = 20000000 -- instructions of an expression
local CANNOT_WAIT = "cannot wait while the program is stopped"

local function exhausted()
  error("the expression takes too long", 0)
end

local settle

local function give_up(co, operation)
  if operation ~= nil then
    host.ask("cancel", operation)
    return settle(co, raw_resume(co, "e", CANNOT_WAIT))
  end
  raw_close(co)
  return false, "cannot yield while the program is stopped"
end

function settle(co, ok, ...)
  if ok and raw_status(co) == "suspended" then
    local first, operation = ...
    return give_up(co, rawequal(first, host.WAIT) and operation or nil)
  end
  return ok, ...
end

-- Call `fn` in a coroutine of its own, which no hook sees; returns true and its results, or false and an error.
function debugger.aside(fn, ...)
  local co = raw_create(fn)
  return settle(co, raw_resume(co, ...))
end

local function limited(fn, ...)
  local co = raw_create(fn)
  sethook(co, exhausted, "", BUDGET)
  return settle(co, raw_resume(co, ...))
end

local current -- the frame in which an expression is evaluated

-- The number of a frame's innermost local variable of a name, and its value.
local function find_local(key)
  local at, found, i = nil, nil, 1
  local name, value = getlocal(current.co, current.level, i)
  while name do
    if name == key then
      at, found = i, value
    end
    i = i + 1
    name, value = getlocal(current.co, current.level, i)
  end
  return at, found
end

local function find_upvalue(key)
  local i = 1
  local name, value = getupvalue(current.info.func, i)
  while name and name ~= key do
    i = i + 1
    name, value = getupvalue(current.info.func, i)
  end
  return name and i, value
end

-- What expressions have for their globals: the variables of the frame, and then its globals.
local seen = setmetatable({}, {
  __index = function(_, key)
    if not current then
      return host.globals[key]
    end
    local at, value = find_local(key)
    if not at then
      at, value = find_upvalue(key)
    end
    if at then
      return value
    end
    return debugger.globals(current.info.func)[key]
  end,
  __newindex = function(_, key, new)
    local at = current and find_local(key)
    if at then
      setlocal(current.co, current.level, at, new)
      return
    end
    at = current and find_upvalue(key)
    if at then
      setupvalue(current.info.func, at, new)
    else
      (current and debugger.globals(current.info.func) or host.globals)[key] = new
    end
  end,
})

local function varargs()
  local extra, i = { n = 0 }, 1
  local name, value
  if current then
    name, value = getlocal(current.co, current.level, -i)
  end
  while name do
    extra[i], extra.n = value, i
    i = i + 1
    name, value = getlocal(current.co, current.level, -i)
  end
  return extra
end

local function plain(problem)
  return (gsub(problem, "^%(expression%):%d+: ", ""))
end

local chunks = {} -- text -> its function

local function compile(text)
  local fn, problem = load("return " .. text .. "\n", NAME, "t", seen)
  if not fn then
    local other
    fn, other = load(text .. "\n", NAME, "t", seen)
    if not fn then
      -- The one that came further has more to say.
      return nil, plain(match(problem, "near <eof>$") and problem or other)
    end
  end
  chunks[text] = fn
  return fn
end

-- Evaluate an expression, or run statements: true and the results, or false and a message.
function debugger.evaluate(text, frame)
  local fn, problem = chunks[text], nil
  if not fn then
    fn, problem = compile(text)
    if not fn then
      return false, problem
    end
  end
  current = frame
  local extra = varargs()
  debugger.begin_evaluation()
  local results = pack(limited(fn, unpack(extra, 1, extra.n)))
  debugger.end_evaluation()
  current = nil
  if not results[1] then
    return false, plain(host.message_of(results[2]))
  end
  return unpack(results, 1, results.n)
end

-- Return true if the count of hits of a breakpoint fulfils its condition: "5", ">= 5", "% 2", …
function debugger.counts(condition, hits)
  local operator, number = match(condition, "^%s*([<>=!~%%]*)%s*(%d+)%s*$")
  number = tonumber(number)
  if not number then
    return true
  elseif operator == ">" then
    return hits > number
  elseif operator == ">=" then
    return hits >= number
  elseif operator == "<" then
    return hits < number
  elseif operator == "<=" then
    return hits <= number
  elseif operator == "%" then
    return number > 0 and hits % number == 0
  end
  return hits == number
end

-- The text of a log point, in which expressions stand in braces.
function debugger.interpolate(text, frame)
  return (
    gsub(text, "{([^{}]*)}", function(expression)
      local ok, value = debugger.evaluate(expression, frame)
      return ok and (type(value) == "string" and debugger.printable(value) or debugger.value_text(value))
        or "{" .. debugger.printable(value) .. "}"
    end)
  )
end
