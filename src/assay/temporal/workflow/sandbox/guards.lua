-- `pcall` and `xpcall`, which must not catch a limit: they raise it again.
local host = ...

local raw_pcall, raw_xpcall = pcall, xpcall
local select, type = select, type

local function check(ok, ...)
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
  return check(raw_xpcall(fn, host.mark, select(2, ...)))
end

host["_G.xpcall"] = function(...)
  local fn, handler = ...
  if type(handler) ~= "function" then
    return host.call_raw(raw_xpcall, ...)
  end
  return check(raw_xpcall(fn, function(err)
    err = host.mark(err, 2)
    if host.limit then
      return err
    end
    -- Lua would also call the handler for its own errors until the stack overflows, which would look like a limit.
    local ok, result = raw_xpcall(handler, host.mark, err)
    if ok then
      return result
    end
    return host.is_limit(result) and host.LIMIT or "error in error handling"
  end, select(3, ...)))
end
