-- What a limit must not be caught by, and what could run long in C, where no hook is called.
local host = ...

local mathtype = math.type
local raw_pcall, raw_rep, raw_move, raw_xpcall = pcall, string.rep, table.move, xpcall

local MOST_MOVED = 1e7

-- Look at an error that was about to be caught: raise it again when it is, or means, a limit.
function host.check_limit(err)
  if host.is_limit(err) then
    error(host.LIMIT, 0)
  end
end

local function caught(ok, ...)
  if not ok then
    host.check_limit((...))
  end
  return ok, ...
end

host["_G.pcall"] = function(...)
  return caught(raw_pcall(...))
end

host["_G.xpcall"] = function(fn, handler, ...)
  return caught(raw_xpcall(fn, function(err)
    if host.is_limit(err) then
      return err
    end
    -- Lua would call the handler for its own error too, until the stack is full, which looks like a limit.
    local ok, result = raw_pcall(handler, err)
    if ok or host.is_limit(result) then
      return result
    end
    return "error in error handling"
  end, ...))
end

host["table.move"] = function(from, first, last, at, to)
  if mathtype(first) == "integer" and mathtype(last) == "integer" and last - first > MOST_MOVED then
    error("table.move: " .. last - first .. " elements are too many for a workflow", 2)
  end
  return raw_move(from, first, last, at, to or from)
end

-- A loop in C over nothing, as often as asked.
host["string.rep"] = function(s, n, separator)
  if s == "" and (separator == nil or separator == "") then
    n = 1
  end
  return raw_rep(s, n, separator)
end
