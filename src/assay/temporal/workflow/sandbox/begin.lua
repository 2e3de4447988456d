-- The begin of a run: loaded once, and gone when the run has begun.
local host = ...

local function decoded(number, text, ...)
  if not text then
    return
  end
  local value, problem = host.decode_value(text)
  if problem and host.is_limit(problem) then -- there was no room for it, or no time
    error(problem, 0)
  elseif problem then -- what only Lua cannot read, such as nesting that is too deep
    local message = "cannot read the workflow's input: argument " .. number .. ": " .. problem
    error({ type = "BadInput", message = message, non_retryable = true }, 0)
  elseif value == host.null then
    value = nil
  end
  return value, decoded(number + 1, ...)
end

local function run(fn, context, ...)
  return fn(host.handle("Context", context), decoded(1, ...))
end

-- Make the task of the workflow function in a snapshot; its arguments come as JSON texts.
function host.begin(snapshot, context, ...)
  local fn = host.restore(snapshot)
  -- What was used once is found again when it is needed again.
  host.begin, host.restore, host.replace, host.lazy = nil, nil, nil, nil
  local task = host.spawn("json", run, fn, context, ...)
  collectgarbage() -- what building the state has left behind: there are many
  return task
end
