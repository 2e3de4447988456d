-- Shrinks the state of a run that begins to wait. The part frees itself, too.
local host = ...

-- Frees garbage and the parts that define the names `...`, which lazy loading finds again.
function host.settle(...)
  for _, name in ipairs({ ... }) do
    host[name] = nil
  end
  host.settle = nil
  collectgarbage()
end
