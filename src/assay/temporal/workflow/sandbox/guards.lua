-- What a limit must not be caught by.
local host = ...

local raw_pcall, raw_xpcall = pcall, xpcall
local select, type = select, type

local function caught(ok, ...)
  if ok then
    return ok, ...
  end
  host.check_limit((...))
  return false, ...
end

host["_G.pcall"] = function(...)
  if select("#", ...) == 0 then
    host.call_raw(raw_pcall)
  end
  local fn = ...
  return caught(raw_xpcall(fn, host.mark, select(2, ...)))
end

host["_G.xpcall"] = function(...)
  local fn, handler = ...
  if type(handler) ~= "function" then
    return host.call_raw(raw_xpcall, ...)
  end
  return caught(raw_xpcall(fn, function(err)
    err = host.mark(err, 2)
    if host.limit then
      return err
    end
    -- Lua would call the handler for its own error too, until the stack is full, which looks like a limit.
    local ok, result = raw_xpcall(handler, host.mark, err)
    if ok then
      return result
    end
    return host.is_limit(result) and host.LIMIT or "error in error handling"
  end, select(3, ...)))
end
