-- `print`.
local host = ...

host["_G.print"] = function(...)
  local out = { ... }
  local text_of = host.tostring -- a workflow's state has one without addresses
  for i = 1, select("#", ...) do
    out[i] = text_of(out[i])
  end
  local operation = host.ask("write", table.concat(out, "\t") .. "\n")
  if operation and coroutine.isyieldable() then
    coroutine.yield(host.WAIT, operation)
  end
end
