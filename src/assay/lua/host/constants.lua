-- Values that represent something, known to all parts.
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

-- Tables that are an empty array although their metatable is not the one of arrays.
host.constant_arrays = setmetatable({}, host.WEAK_KEYS)

host.tostring = tostring
