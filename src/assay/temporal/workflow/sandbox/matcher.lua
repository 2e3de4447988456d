-- Lua's pattern matching, reimplemented in Lua, so that limits apply to it: C code calls no hook. `patterns.lua` uses
-- it for calls that could take Lua's built-in matcher long. The functions follow `lstrlib.c`.
local host = ...

local byte, find, sub = string.byte, string.find, string.sub
local raw_gsub = string.gsub
local insert, concat, unpack = table.insert, table.concat, table.unpack
local tonumber, tostring, type = tonumber, tostring, type

local MAX_CAPTURES, MAX_DEPTH = 32, 200
local POSITION, UNFINISHED = -2, -1

local ESCAPE, OPEN, CLOSE, DOLLAR, LEFT, CARET, DOT = byte("%()$[^.", 1, -1)
local STAR, PLUS, MINUS, QUESTION, B, F = byte("*+-?bf", 1, -1)

local class_end = host.class_end
local fail = host.raise

local function single(ms, si, pi, ep)
  local c = byte(ms.s, si)
  if not c then
    return false
  end
  local first = byte(ms.p, pi)
  if first == DOT then
    return true
  elseif first == ESCAPE or first == LEFT then
    return find(sub(ms.s, si, si), sub(ms.p, pi, ep - 1)) ~= nil
  end
  return first == c
end

local do_match

local function max_expand(ms, si, pi, ep)
  local i = 0
  while single(ms, si + i, pi, ep) do
    i = i + 1
  end
  while i >= 0 do
    local result = do_match(ms, si + i, ep + 1)
    if result then
      return result
    end
    i = i - 1
  end
  return nil
end

local function min_expand(ms, si, pi, ep)
  while true do
    local result = do_match(ms, si, ep + 1)
    if result then
      return result
    elseif single(ms, si, pi, ep) then
      si = si + 1
    else
      return nil
    end
  end
end

local function start_capture(ms, si, pi, what)
  local level = ms.level + 1
  if level > MAX_CAPTURES then
    fail("too many captures")
  end
  ms.from[level], ms.length[level], ms.level = si, what, level
  local result = do_match(ms, si, pi)
  if not result then
    ms.level = ms.level - 1
  end
  return result
end

local function end_capture(ms, si, pi)
  for level = ms.level, 1, -1 do
    if ms.length[level] == UNFINISHED then
      ms.length[level] = si - ms.from[level]
      local result = do_match(ms, si, pi)
      if not result then
        ms.length[level] = UNFINISHED
      end
      return result
    end
  end
  fail("invalid pattern capture")
end

local function match_balance(ms, si, pi)
  if pi + 1 > #ms.p then
    fail("malformed pattern (missing arguments to '%b')")
  end
  local open, close = byte(ms.p, pi), byte(ms.p, pi + 1)
  if byte(ms.s, si) ~= open then
    return nil
  end
  local depth = 1
  for i = si + 1, #ms.s do
    local c = byte(ms.s, i)
    if c == close then
      depth = depth - 1
      if depth == 0 then
        return i + 1
      end
    elseif c == open then
      depth = depth + 1
    end
  end
  return nil
end

local function check_capture(ms, digit)
  local level = digit - 48
  if level < 1 or level > ms.level or ms.length[level] == UNFINISHED then
    fail("invalid capture index %" .. level)
  end
  return level
end

local function frontier(ms, si, pi, ep)
  local class = sub(ms.p, pi, ep - 1)
  local before = si == 1 and "\0" or sub(ms.s, si - 1, si - 1)
  local here = si > #ms.s and "\0" or sub(ms.s, si, si)
  return not find(before, class) and find(here, class) ~= nil
end

function do_match(ms, si, pi)
  local p = ms.p
  ms.depth = ms.depth + 1
  if ms.depth > MAX_DEPTH then
    fail("pattern too complex")
  end
  local result
  while true do
    local c = byte(p, pi)
    local after = c == ESCAPE and byte(p, pi + 1)
    if not c then
      result = si
      break
    elseif c == OPEN then
      if byte(p, pi + 1) == CLOSE then
        result = start_capture(ms, si, pi + 2, POSITION)
      else
        result = start_capture(ms, si, pi + 1, UNFINISHED)
      end
      break
    elseif c == CLOSE then
      result = end_capture(ms, si, pi + 1)
      break
    elseif c == DOLLAR and pi == #p then
      result = si == #ms.s + 1 and si or nil
      break
    elseif after == B then
      si = match_balance(ms, si, pi + 2)
      if not si then
        break
      end
      pi = pi + 4
    elseif after == F then
      pi = pi + 2
      if byte(p, pi) ~= LEFT then
        fail("missing '[' after '%f' in pattern")
      end
      local ep = class_end(p, pi)
      if not frontier(ms, si, pi, ep) then
        break
      end
      pi = ep
    elseif after and after >= 48 and after <= 57 then
      local level = check_capture(ms, after)
      local text = sub(ms.s, ms.from[level], ms.from[level] + ms.length[level] - 1)
      if ms.length[level] == POSITION or sub(ms.s, si, si + #text - 1) ~= text then
        break
      end
      si, pi = si + #text, pi + 2
    else
      local ep = class_end(p, pi)
      local quantifier = byte(p, ep)
      if quantifier == STAR then
        result = max_expand(ms, si, pi, ep)
        break
      elseif quantifier == PLUS then
        result = single(ms, si, pi, ep) and max_expand(ms, si + 1, pi, ep) or nil
        break
      elseif quantifier == MINUS then
        result = min_expand(ms, si, pi, ep)
        break
      elseif quantifier == QUESTION then
        if single(ms, si, pi, ep) then
          result = do_match(ms, si + 1, ep + 1)
          if result then
            break
          end
        end
        pi = ep + 1
      elseif single(ms, si, pi, ep) then
        si, pi = si + 1, ep
      else
        break
      end
    end
  end
  ms.depth = ms.depth - 1
  return result
end

local function capture(ms, level, from, to)
  if level > ms.level then
    if level ~= 1 then
      fail("invalid capture index %" .. level)
    end
    return sub(ms.s, from, to - 1)
  end
  local length = ms.length[level]
  if length == UNFINISHED then
    fail("unfinished capture")
  elseif length == POSITION then
    return ms.from[level]
  end
  return sub(ms.s, ms.from[level], ms.from[level] + length - 1)
end

-- Return all captures of a match, or the whole match if there are none and `whole` is set.
local function captures(ms, from, to, whole)
  local out = {}
  for level = 1, (ms.level == 0 and whole) and 1 or ms.level do
    out[level] = capture(ms, level, from, to)
  end
  return out
end

-- Return the first match at or after `init`: its start, the position after it, and the match state; or nil.
local function search(s, p, init, anchored)
  local ms = { s = s, p = p, level = 0, from = {}, length = {}, depth = 0 }
  local si = init
  repeat
    ms.level, ms.depth = 0, 0
    local to = do_match(ms, si, anchored and 2 or 1)
    if to then
      return si, to, ms
    end
    si = si + 1
  until si > #s + 1 or anchored
  return nil
end

local function start_of(init, length)
  init = init or 1
  if init < 0 then
    init = length + init + 1
  end
  return init < 1 and 1 or init
end

-- Like `search`, with the arguments of `string.find` and `string.match`.
local function search_from(s, p, init)
  init = start_of(init, #s)
  if init > #s + 1 then
    return nil
  end
  return search(s, p, init, byte(p) == CARET)
end

function host.match_find(s, p, init)
  local from, to, ms = search_from(s, p, init)
  if not from then
    return nil
  end
  return from, to - 1, unpack(captures(ms, from, to, false), 1, ms.level)
end

function host.match_match(s, p, init)
  local from, to, ms = search_from(s, p, init)
  if not from then
    return nil
  end
  return unpack(captures(ms, from, to, true))
end

function host.match_gmatch(s, p, init)
  local at, last = start_of(init, #s), nil
  return function()
    while at <= #s + 1 do
      local from, to, ms = search(s, p, at, false) -- in gmatch, ^ is an ordinary character
      if not from then
        at = #s + 2
        return nil
      end
      if to ~= last then
        at, last = to, to
        return unpack(captures(ms, from, to, true))
      end
      at = from + 1
    end
    return nil
  end
end

local function expand(template, ms, from, to)
  return (
    raw_gsub(template, "%%(.?)", function(c)
      if c == "%" then
        return "%"
      elseif c == "0" then
        return sub(ms.s, from, to - 1)
      elseif find(c, "%d") then
        return tostring(capture(ms, tonumber(c), from, to))
      end
      fail("invalid use of '%' in replacement string")
    end)
  )
end

local function replacement(by, ms, from, to)
  local kind, value = type(by), nil
  if kind == "string" or kind == "number" then
    return expand(tostring(by), ms, from, to)
  elseif kind == "table" then
    value = by[capture(ms, 1, from, to)]
  else
    value = by(unpack(captures(ms, from, to, true)))
  end
  if not value then
    return sub(ms.s, from, to - 1)
  elseif type(value) ~= "string" and type(value) ~= "number" then
    fail("invalid replacement value (a " .. type(value) .. ")")
  end
  return tostring(value)
end

function host.match_gsub(s, p, by, limit)
  local anchored = byte(p) == CARET
  local out, at, count, last = {}, 1, 0, nil
  while not limit or count < limit do
    local ms = { s = s, p = p, level = 0, from = {}, length = {}, depth = 0 }
    local to = do_match(ms, at, anchored and 2 or 1)
    if to and to ~= last then
      count = count + 1
      insert(out, replacement(by, ms, at, to))
      at, last = to, to
    elseif at <= #s then
      insert(out, sub(s, at, at))
      at = at + 1
    else
      break
    end
    if anchored then
      break
    end
  end
  insert(out, sub(s, at))
  return concat(out), count
end
