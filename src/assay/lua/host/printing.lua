-- `print`.
local host = ...

host["_G.print"] = function(...)
  local out = { ... }
  local text_of = host.tostring -- in a workflow's state, a version without addresses
  for i = 1, select("#", ...) do
    out[i] = text_of(out[i])
  end
  local operation = host.ask("write", table.concat(out, "\t") .. "\n")
  if operation and coroutine.isyieldable() then
    coroutine.yield(host.WAIT, operation)
  end
end
