-- Helpers of the scripts in this folder.
local check = {}

local function error_of(expected, fn, ...)
  local ok, problem = pcall(fn, ...)
  if ok then
    error("no error was raised; expected: " .. expected, 3)
  end
  return problem
end

-- Call `fn` and compare the text of its error; returns the error.
function check.raises(expected, fn, ...)
  local problem = error_of(expected, fn, ...)
  assert.eq(tostring(problem), expected)
  return problem
end

-- Call `fn` and compare the beginning of its error's text; returns the error.
function check.fails(expected, fn, ...)
  local problem = error_of(expected, fn, ...)
  assert.eq(tostring(problem):sub(1, #expected), expected)
  return problem
end

return check
