"""Workflows and activities of one script: activities share its variables, and each run has a copy of them."""

from __future__ import annotations

from temporal_script import Script
from workflow_session import worker

SCRIPT = """
local counter = require("counter")
local shared, list = 0, { n = 0 }
global = 0
counter.next()

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = {
    read = function()
      return { shared = shared, global = global, n = list.n, counter = counter.next() }
    end,
  },
  workflows = {
    Change = function(ctx)
      shared, global, list.n = shared + 10, global + 1, list.n + 1
      local own = { shared = shared, global = global, n = list.n, counter = counter.next() }
      return { workflow = own, activity = ctx:execute_activity("read") }
    end,
  },
})
print("polling")
"""


async def test_runs_share_no_variables_with_the_script_or_each_other(lua: Script, name: str) -> None:
    (lua.folder / "counter.lua").write_text("local n = 0 return { next = function() n = n + 1 return n end }")
    async with worker(lua, name, SCRIPT) as session:
        first = await session.run("Change")
        second = await session.run("Change")
    assert first["workflow"] == second["workflow"] == {"shared": 10, "global": 1, "n": 1, "counter": 2}
    # Activities share the state of the script, in which the counter has increased.
    assert first["activity"] == {"shared": 0, "global": 0, "n": 0, "counter": 2}
    assert second["activity"] == {"shared": 0, "global": 0, "n": 0, "counter": 3}
