-- Raises the errors of malformed JSON, for `decode.lua`, and of values that JSON cannot represent, for `encode.lua`.
local host = ...

local byte, find, format, gmatch, match, sub =
  string.byte, string.find, string.format, string.gmatch, string.match, string.sub
local concat, mathtype, rawget = table.concat, math.type, rawget
local error, next, tonumber, tostring, type = error, next, tonumber, tostring, type

local null = host.null

-- Malformed JSON -----------------------------------------------------------------------------------

function host.fail_decode(text, pos, what)
  local line, last = 1, 0
  for newline in gmatch(sub(text, 1, pos - 1), "()\n") do
    line, last = line + 1, newline
  end
  error({ [null] = format("%s at line %d column %d", what, line, pos - last) }, 0)
end

local fail_decode = host.fail_decode

function host.fail_unexpected(text, pos)
  local c = match(text, "^[\xC2-\xF4][\x80-\xBF]+", pos) or sub(text, pos, pos)
  if c == "" then
    fail_decode(text, pos, "unexpected end")
  elseif c == "\u{FEFF}" then
    fail_decode(text, pos, "unexpected byte order mark")
  elseif #c == 1 and not find(c, "[\32-\126]") then
    fail_decode(text, pos, format("unexpected byte 0x%02X", byte(c)))
  end
  fail_decode(text, pos, "unexpected '" .. c .. "'")
end

-- Raise the error of a malformed string. `pos` is the position after its opening quote.
function host.fail_string(text, pos)
  local stop = find(text, '[\0-\31"\\]', pos)
  while stop and byte(text, stop) == 92 do
    local e = sub(text, stop + 1, stop + 1)
    if e == "u" then
      if not find(text, "^%x%x%x%x", stop + 2) then
        fail_decode(text, stop + 2, "bad \\u escape")
      end
      local code = tonumber(sub(text, stop + 2, stop + 5), 16)
      local low = code & 0xFC00 == 0xD800 and match(text, "^\\u([dD][c-fC-F]%x%x)", stop + 6)
      if code & 0xF800 == 0xD800 and not low then
        fail_decode(text, stop, "half of a surrogate pair")
      end
      stop = stop + (low and 10 or 4)
    elseif not find(e, '^[bfnrt"\\/]') then
      fail_decode(text, stop, "bad escape")
    end
    stop = find(text, '[\0-\31"\\]', stop + 2)
  end
  if not stop then
    fail_decode(text, #text + 1, "unexpected end in a string")
  end
  fail_decode(text, stop, "control character in a string")
end

-- Values that JSON cannot represent ----------------------------------------------------------------

-- `path` has the keys on the way to the value; the message ends with them: "… at .a.b[3]".
function host.fail_encode(path, depth, what)
  local steps = {}
  for i = 1, depth do
    local key = path[i]
    steps[i] = format(mathtype(key) == "integer" and "[%s]" or ".%s", tostring(key))
  end
  error({ [null] = what .. (depth == 0 and "" or " at " .. concat(steps)) }, 0)
end

local fail_encode = host.fail_encode

-- Raise an error for the keys of a table. Of several problems it reports the same one in whatever order `next` is.
function host.fail_keys(t, path, depth)
  local kind, twice
  for k in next, t do
    if type(k) ~= "string" and mathtype(k) ~= "integer" then
      kind = (not kind or type(k) < kind) and type(k) or kind
    elseif mathtype(k) == "integer" and rawget(t, format("%d", k)) ~= nil then
      twice = (not twice or k < twice) and k or twice
    end
  end
  if kind then
    fail_encode(path, depth, "a table with a key of type " .. kind)
  elseif twice then
    fail_encode(path, depth, "a table with both the key " .. twice .. ' and the key "' .. twice .. '"')
  end
  fail_encode(path, depth, "a key that is not valid UTF-8")
end

-- Find a string in a value; returns its depth, and fills `path`.
local function find_string(value, wanted, path, depth)
  if value == wanted then
    return depth
  elseif type(value) == "table" then
    for k, item in next, value do
      path[depth + 1] = k
      local found = find_string(item, wanted, path, depth + 1)
      if found then
        return found
      end
    end
  end
end

-- Raise the error of a string in `root` that is not valid UTF-8.
function host.fail_utf8(root, wanted, path)
  fail_encode(path, find_string(root, wanted, path, 0), "a string that is not valid UTF-8")
end
