-- Functions of the module `temporal` that act on the last connection.
local host, internal = ...

local client

-- `number_of` exists only in a workflow's state.
local NO_CLIENT = host.number_of and "not allowed in a workflow: workflow code cannot do I/O; use an activity"
  or "no connection yet: call temporal.connect first"

local function connected(name)
  if not client then
    host.raise("temporal." .. name .. ": " .. NO_CLIENT)
  end
  return client
end

local library = { constants = { schedules = {} } }

function library.connect(options)
  local connection = internal._connect(options)
  connection.schedules = internal._schedules(connection)
  client = connection
  return connection
end

for _, name in ipairs(internal._client_methods()) do
  library[name] = function(...)
    return connected(name)[name](client, ...)
  end
end

for _, name in ipairs(internal._schedule_methods()) do
  library.constants.schedules[name] = function(_, ...)
    local schedules = connected("schedules:" .. name).schedules
    return schedules[name](schedules, ...)
  end
end

return library
