-- Starts a run. The part is loaded for the start and freed afterwards.
local host = ...

local function decode_all(number, text, ...)
  if not text then
    return
  end
  local value, problem = host.decode_value(text)
  if problem and host.is_limit(problem) then -- out of memory or CPU time
    error(problem, 0)
  elseif problem then -- valid JSON that Lua cannot decode, such as too deep nesting
    local message = "cannot read the workflow's input: argument " .. number .. ": " .. problem
    error({ type = "BadInput", message = message, non_retryable = true }, 0)
  elseif value == host.null then
    value = nil
  end
  return value, decode_all(number + 1, ...)
end

local function run(fn, context, ...)
  return fn(host.handle("Context", context), decode_all(1, ...))
end

-- Create the task of the workflow function in a snapshot. Its arguments are JSON strings.
function host.begin(snapshot, context, ...)
  local fn = host.restore(snapshot)
  return host.spawn("json", run, fn, context, ...)
end
