-- Constants that all parts share.
local host = ...

local null = setmetatable({}, {
  __name = "json.null",
  __tostring = function()
    return "null"
  end,
  __newindex = function()
    error("json.null is a constant", 2)
  end,
  __metatable = false,
})
host.null = null
host.array_metatable = { __name = "json.array" }

-- Tables that are encoded as empty arrays although they do not have the array metatable.
host.constant_arrays = setmetatable({}, host.WEAK_KEYS)

host.tostring = tostring
