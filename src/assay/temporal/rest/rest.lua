-- Creates the client and sets its resources as fields.
local _, internal = ...

local library = {}

function library.client(url, options)
  local client = internal._client(url, options)
  local names = internal._fields()
  for i = 1, #names do
    client[names[i]] = internal._field(client, names[i])
  end
  return client
end

return library
