local host = ...

local function parse(text)
  if type(text) ~= "string" then
    error("json.parse: bad argument 'text' (string expected, got " .. host.describe(text) .. ")", 2)
  end
  local value, problem = host.decode(text)
  if problem then
    error("json.parse: " .. problem, 2)
  end
  return value
end

local function encode(value, options)
  local pretty = false
  if options ~= nil then
    if type(options) ~= "table" then
      error("json.encode: bad argument 'options' (table expected, got " .. host.describe(options) .. ")", 2)
    end
    for name in pairs(options) do
      if name ~= "pretty" then
        error("json.encode: unknown option '" .. tostring(name) .. "' (known: pretty)", 2)
      end
    end
    if options.pretty ~= nil and type(options.pretty) ~= "boolean" then
      error("json.encode: bad option 'pretty' (boolean expected, got " .. host.describe(options.pretty) .. ")", 2)
    end
    pretty = options.pretty or false
  end
  local text, problem = host.encode(value, "json", pretty)
  if not text then
    error("json.encode: JSON cannot carry " .. problem, 2)
  end
  return text
end

local function array(t)
  if t == nil then
    t = {}
  elseif type(t) ~= "table" then
    error("json.array: bad argument 't' (table expected, got " .. host.describe(t) .. ")", 2)
  end
  return setmetatable(t, host.array_metatable)
end

-- The one empty array is shared: it cannot be written to.
local empty_array = setmetatable({}, {
  __name = "json.array",
  __metatable = false,
  __newindex = function()
    error("json.empty_array is a constant", 2)
  end,
})
host.constant_array(empty_array)
host.names[empty_array] = "json.empty_array"

return {
  parse = parse,
  decode = parse,
  encode = encode,
  array = array,
  constants = { null = host.null, empty_array = empty_array },
}
