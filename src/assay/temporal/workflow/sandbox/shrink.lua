-- Shrinks the state of a run that waits for long. The part frees itself, too.
local host = ...

-- Frees garbage and the parts that define the names `...`, which lazy loading finds again.
function host.shrink(...)
  for _, name in ipairs({ ... }) do
    host[name] = nil
  end
  host.shrink = nil
  collectgarbage()
end
