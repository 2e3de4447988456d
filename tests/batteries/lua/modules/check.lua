-- What the scripts in this folder share.
local check = {}

-- Call `fn` and compare the text of its error; returns the error.
function check.raises(expected, fn, ...)
  local ok, problem = pcall(fn, ...)
  if ok then
    error("no error was raised; expected: " .. expected, 2)
  end
  assert.eq(tostring(problem), expected)
  return problem
end

-- The same for an error whose text only begins with `expected`.
function check.fails(expected, fn, ...)
  local ok, problem = pcall(fn, ...)
  if ok then
    error("no error was raised; expected: " .. expected, 2)
  end
  assert.eq(tostring(problem):sub(1, #expected), expected)
  return problem
end

return check
