-- Copies of a run, on which one function of it runs: a query's handler, a side effect.
local host = ...

-- `is_live`: with the real clock and randomness.
function host.be_copy(is_live)
  host.is_live = is_live
  host.stub_advice = "stays in the workflow: "
    .. (is_live and "read before the side effect what it needs of it" or "query handlers and validators only read")
end

-- Restore a snapshot and hold its function; returns the id.
function host.restore_held(snapshot)
  return host.hold(host.restore(snapshot))
end
