-- Debugger expressions, evaluated in a frame whose variables they can read and set.
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
local MAX_INSTRUCTIONS = 20000000 -- per expression
local CANNOT_WAIT = "cannot wait while the program is stopped"

local function exhausted()
  error("the expression takes too long", 0)
end

local settle

-- End a coroutine that has yielded: cancel the operation that it waits for, if any.
local function cancel(co, operation)
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
    return cancel(co, rawequal(first, host.WAIT) and operation or nil)
  end
  return ok, ...
end

-- Call `fn` in a separate coroutine without hooks. Returns true and its results, or false and an error.
function debugger.aside(fn, ...)
  local co = raw_create(fn)
  return settle(co, raw_resume(co, ...))
end

local function limited(fn, ...)
  local co = raw_create(fn)
  sethook(co, exhausted, "", MAX_INSTRUCTIONS)
  return settle(co, raw_resume(co, ...))
end

local current -- the frame in which an expression is evaluated

-- Return the index and the value of the innermost local variable with a name.
local function find_local(key)
  local index, innermost, i = nil, nil, 1
  local name, value = getlocal(current.co, current.level, i)
  while name do
    if name == key then
      index, innermost = i, value
    end
    i = i + 1
    name, value = getlocal(current.co, current.level, i)
  end
  return index, innermost
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

-- Environment of expressions: the variables of the frame, then its globals.
local environment = setmetatable({}, {
  __index = function(_, key)
    if not current then
      return host.globals[key]
    end
    local index, value = find_local(key)
    if not index then
      index, value = find_upvalue(key)
    end
    if index then
      return value
    end
    return debugger.globals(current.info.func)[key]
  end,
  __newindex = function(_, key, new)
    local index = current and find_local(key)
    if index then
      setlocal(current.co, current.level, index, new)
      return
    end
    index = current and find_upvalue(key)
    if index then
      setupvalue(current.info.func, index, new)
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

local function without_position(message)
  return (gsub(message, "^%(expression%):%d+: ", ""))
end

local chunks = {} -- source -> its function

local function compile(text)
  local fn, problem = load("return " .. text .. "\n", NAME, "t", environment)
  if not fn then
    local other
    fn, other = load(text .. "\n", NAME, "t", environment)
    if not fn then
      -- Prefer the error of the attempt that parsed further.
      return nil, without_position(match(problem, "near <eof>$") and problem or other)
    end
  end
  chunks[text] = fn
  return fn
end

-- Evaluate an expression or run statements. Returns true and the results, or false and a message.
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
    return false, without_position(host.message_of(results[2]))
  end
  return unpack(results, 1, results.n)
end

-- Return true if the hit count of a breakpoint matches its condition: "5", ">= 5", "% 2", …
function debugger.matches_count(condition, hits)
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

-- Return the message of a log point with the expressions in braces evaluated.
function debugger.interpolate(text, frame)
  return (
    gsub(text, "{([^{}]*)}", function(expression)
      local ok, value = debugger.evaluate(expression, frame)
      return ok and (type(value) == "string" and debugger.printable(value) or debugger.value_text(value))
        or "{" .. debugger.printable(value) .. "}"
    end)
  )
end
