-- Expressions of a debugger: evaluated in a frame, whose variables they see and can set.
local host = ...

local debugger = host.debugger

local getlocal, getupvalue, setlocal, setupvalue, sethook =
  debug.getlocal, debug.getupvalue, debug.setlocal, debug.setupvalue, debug.sethook
local raw_close, raw_create, raw_resume, raw_status =
  coroutine.close, coroutine.create, coroutine.resume, coroutine.status
local byte, gsub, match = string.byte, string.gsub, string.match
local load, pack, rawequal, setmetatable, tonumber, unpack =
  load, table.pack, rawequal, setmetatable, tonumber, table.unpack

local NAME = "=(expression)"
local BUDGET = 20000000 -- instructions of an expression
local CANNOT_WAIT = "cannot wait while the program is stopped"
local OPENING = byte("(")

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

-- The variables that an expression sees in a frame, as a table; and the extra arguments of the frame's function.
local function environment(frame)
  if not frame then
    return host.globals, { n = 0 }
  end
  local co, level, fn = frame.co, frame.level, frame.info.func
  local locals, upvalues, varargs = {}, {}, { n = 0 }
  local i = 1
  local name, value = getlocal(co, level, i)
  while name do
    if byte(name) ~= OPENING then
      locals[name] = i
    end
    i = i + 1
    name = getlocal(co, level, i)
  end
  i = 1
  name, value = getlocal(co, level, -i)
  while name do
    varargs[i], varargs.n = value, i
    i = i + 1
    name, value = getlocal(co, level, -i)
  end
  i = 1
  name = getupvalue(fn, i)
  while name do
    upvalues[name] = i
    i = i + 1
    name = getupvalue(fn, i)
  end
  local globals = debugger.globals(fn)
  local seen = setmetatable({}, {
    __index = function(_, key)
      if locals[key] then
        local _, found = getlocal(co, level, locals[key])
        return found
      elseif upvalues[key] then
        local _, found = getupvalue(fn, upvalues[key])
        return found
      end
      return globals[key]
    end,
    __newindex = function(_, key, new)
      if locals[key] then
        setlocal(co, level, locals[key], new)
      elseif upvalues[key] then
        setupvalue(fn, upvalues[key], new)
      else
        globals[key] = new
      end
    end,
  })
  return seen, varargs
end

local function plain(problem)
  return (gsub(problem, "^%(expression%):%d+: ", ""))
end

-- Evaluate an expression, or run statements: true and the results, or false and a message.
function debugger.evaluate(text, frame)
  local seen, varargs = environment(frame)
  local fn, problem = load("return " .. text .. "\n", NAME, "t", seen)
  if not fn then
    local other
    fn, other = load(text .. "\n", NAME, "t", seen)
    if not fn then
      -- The one that came further has more to say.
      return false, plain(match(problem, "near <eof>$") and problem or other)
    end
  end
  debugger.begin_evaluation()
  local results = pack(limited(fn, unpack(varargs, 1, varargs.n)))
  debugger.end_evaluation()
  if not results[1] then
    return false, plain(host.message_of(results[2]))
  end
  return unpack(results, 1, results.n)
end

-- Whether the count of hits of a breakpoint fulfils its condition: "5", ">= 5", "% 2", …
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
