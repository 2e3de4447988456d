-- The functions of the module that act on the last connection.
local _, internal = ...

local client

local library = {}

function library.connect(options)
  client = internal._connect(options)
  return client
end

local names = internal._client_methods()
for i = 1, #names do
  local name = names[i]
  library[name] = function(...)
    if not client then
      error("temporal." .. name .. ": no connection yet: call temporal.connect first", 2)
    end
    return client[name](client, ...)
  end
end

return library
