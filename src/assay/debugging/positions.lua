-- Source positions of a debugged state: the file of each function, and lines that continue a statement.
local host = ...

local debugger = host.debugger

local callbacks = {}
host.fill(callbacks, "_.debugger")
debugger.callbacks = callbacks

local getinfo = debug.getinfo
local byte, sub = string.byte, string.sub
local setmetatable = setmetatable

local files = {} -- source of a chunk -> its file
local file_of = setmetatable({}, host.WEAK_KEYS) -- function -> its file, or false if it is not the script's
local spans = {} -- file -> first line of a multi-line statement -> its last line
local closing_lines = {} -- file -> set of lines with only closing brackets
local last_line = setmetatable({}, host.WEAK_KEYS) -- function -> the line that ran last in it
local call_span = setmetatable({}, host.WEAK_KEYS) -- function -> the span of the call whose arguments were evaluated

debugger.file_of = file_of

-- Return the file of a chunk, as breakpoints identify it.
function debugger.file(source)
  if files[source] == nil then
    files[source] = callbacks.file(sub(source, 2))
  end
  return files[source]
end

-- Return the file of a function and load the file's spans. Returns "" for a chunk without a file, and false for a
-- function that is not the script's.
function debugger.locate(fn)
  local info = getinfo(fn, "S")
  local file = false
  if not host.is_private(info) and byte(info.source) == byte("@") then
    file = debugger.file(info.source)
    if not spans[file] then
      local statements = host.decode_value(callbacks.statements(file))
      spans[file], closing_lines[file] = {}, {}
      for _, span in ipairs(statements.spans) do
        spans[file][span[1]] = span[2]
      end
      for _, line in ipairs(statements.closing) do
        closing_lines[file][line] = true
      end
    end
  elseif not host.is_private(info) and info.what ~= "C" then
    file = ""
  end
  file_of[fn] = file
  return file
end

-- Return true if a line belongs to the step before it: it only closes brackets, or Lua returned to it within a
-- multi-line statement, as after the arguments of a call. Called for each line that runs.
function debugger.is_same_step(fn, line, file)
  if closing_lines[file] and closing_lines[file][line] then
    return true
  end
  local of_file = spans[file]
  local before, last, span = last_line[fn], of_file and of_file[line], call_span[fn]
  last_line[fn] = line
  if last and before and before > line and before <= last then
    call_span[fn] = { line, last }
    return true
  elseif span and line > span[1] and line <= span[2] then
    return true
  end
  call_span[fn] = nil
  return false
end
