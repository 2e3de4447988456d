local host = ...
local byte, find, rep, sub = string.byte, string.find, string.rep, string.sub

local BACKSLASH = byte("\\")

local function parse(text)
  if type(text) ~= "string" then
    host.raise("json.parse: bad argument 'text' (string expected, got " .. host.describe(text) .. ")")
  end
  local value, problem = host.decode(text)
  if problem then
    host.raise("json.parse: " .. problem)
  end
  return value
end

-- Indent compact JSON.
local function indented(text)
  local out, n, depth, pos = {}, 0, 0, 1
  while true do
    local at = find(text, '[%[%]{},:"]', pos)
    if not at then
      out[n + 1] = sub(text, pos)
      return table.concat(out)
    end
    local c = sub(text, at, at)
    local stop = at
    if c == '"' then
      repeat
        stop = find(text, '"', stop + 1, true)
        local before = stop - 1
        while byte(text, before) == BACKSLASH do
          before = before - 1
        end
      until (stop - before) % 2 == 1
    elseif find(text, "^[%]}]", at + 1) and (c == "[" or c == "{") then
      stop = at + 1 -- an empty array or object
    elseif c == "]" or c == "}" then
      depth = depth - 1
      n = n + 1
      out[n] = sub(text, pos, at - 1) .. "\n" .. rep("  ", depth)
      pos = at
    end
    n = n + 1
    out[n] = sub(text, pos, stop)
    if c == ":" then
      out[n] = out[n] .. " "
    elseif stop == at and (c == "," or c == "[" or c == "{") then
      depth = c == "," and depth or depth + 1
      out[n] = out[n] .. "\n" .. rep("  ", depth)
    end
    pos = stop + 1
  end
end

local function encode(value, options)
  local pretty = false
  if options ~= nil then
    if type(options) ~= "table" then
      host.raise("json.encode: bad argument 'options' (table expected, got " .. host.describe(options) .. ")")
    end
    local unknown -- the first by name, so that the message does not depend on the order of pairs
    for name in pairs(options) do
      if name ~= "pretty" then
        local kind = type(name)
        local text = (kind == "table" or kind == "function") and host.describe(name) or tostring(name)
        unknown = (not unknown or text < unknown) and text or unknown
      end
    end
    if unknown then
      host.raise("json.encode: unknown option '" .. unknown .. "' (known: pretty)")
    end
    if options.pretty ~= nil and type(options.pretty) ~= "boolean" then
      host.raise("json.encode: bad option 'pretty' (boolean expected, got " .. host.describe(options.pretty) .. ")")
    end
    pretty = options.pretty or false
  end
  local text, problem = host.encode(value, "json")
  if not text then
    host.raise("json.encode: not JSON-serializable: " .. problem)
  end
  return pretty and indented(text) or text
end

local function array(t)
  if t == nil then
    t = {}
  elseif host.constant_arrays[t] then
    return t
  elseif host.describe(t) ~= "table" then
    host.raise("json.array: bad argument 't' (table expected, got " .. host.describe(t) .. ")")
  end
  if host.borrower then
    host.load_lazy(t)
  end
  if not pcall(setmetatable, t, host.array_metatable) then
    host.raise("json.array: bad argument 't' (its metatable is protected)")
  end
  return t
end

-- The empty array is shared, so it is read-only.
local empty_array = setmetatable({}, {
  __name = "json.array",
  __metatable = false,
  __newindex = function()
    host.raise("json.empty_array is a constant")
  end,
})
host.constant_arrays[empty_array] = true
host.names[empty_array] = "json.empty_array"

return {
  parse = parse,
  decode = parse,
  encode = encode,
  array = array,
  constants = { null = host.null, empty_array = empty_array },
}
