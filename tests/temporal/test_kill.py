"""Recovery after the worker is killed."""

from __future__ import annotations

import signal

from command import read_until
from temporal_script import Script

WORKER = """
temporal.worker({ task_queue = arg[1],
  activities = {
    step = function(input)
      fs.write(arg[2] .. "/" .. input .. "-" .. crypto.uuid(), "")
      return input
    end,
  },
  workflows = {
    Promote = function(ctx, input)
      local id = ctx:side_effect(function() return crypto.random(16) end)
      local before = ctx:execute_activity("step", "before")
      local approval = ctx:wait_signal("approve", { timeout = 86400 })
      local again = ctx:side_effect(function() return time() end)
      local after = ctx:execute_activity("step", "after")
      return { id = id, id_again = id, random = math.random(1 << 30), approved_by = approval.user,
        steps = { before, after }, seen = again > 1.7e9 }
    end,
  },
})
print("polling")
"""


def test_a_workflow_outlives_its_worker(lua: Script, name: str) -> None:
    worker = lua.command.script(WORKER, "worker.lua")
    steps = lua.folder / "steps"
    steps.mkdir()
    with lua.command.started(worker, name, str(steps)) as process:
        read_until(process, "polling")
        before = lua.value(
            """
            local client = temporal.connect()
            client:start_workflow({ task_queue = arg[1], workflow_type = "Promote", workflow_id = arg[1] })
            -- 12 events: the side effect, the first activity, and the timer of the wait are in the history
            while client:describe_workflow(arg[1]).history_length < 12 do sleep(0.05) end
            print(json.encode(client:describe_workflow(arg[1]).status))
            """,
            name,
        )
        assert before == "RUNNING"
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    with lua.command.started(worker, name, str(steps)) as process:
        read_until(process, "polling")
        result = lua.value(
            """
            local client = temporal.connect()
            client:signal_workflow({ workflow_id = arg[1], signal_name = "approve", input = { user = "jane" } })
            print(json.encode(client:get_result({ workflow_id = arg[1] })))
            """,
            name,
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert result["steps"] == ["before", "after"]
    assert result["approved_by"] == "jane"
    assert result["seen"] is True
    assert sorted(path.name.partition("-")[0] for path in steps.iterdir()) == ["after", "before"]
    events = lua.events(name)
    assert events.count("ACTIVITY_TASK_COMPLETED") == 2
    assert "WORKFLOW_TASK_FAILED" not in events
