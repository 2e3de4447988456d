-- Shrinks the state of an idle run. The part frees itself, too.
local host = ...

-- Free garbage and the parts that define the names `...`, which lazy loading finds again.
function host.shrink(...)
  for _, name in ipairs({ ... }) do
    host[name] = nil
  end
  host.shrink = nil
  collectgarbage()
end
