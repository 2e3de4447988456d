"""What an activity hears of its end: why it was cancelled, and that its worker ends."""

from __future__ import annotations

import json
import signal

import pytest

from command import read_until
from temporal_script import Script

SCRIPT = """
local worker = temporal.worker({ task_queue = arg[1], graceful_shutdown_timeout = tonumber(arg[2]),
  activities = {
    cancelled = { -- a cancellation comes with the answer to a heartbeat, of which there are three in its timeout
      auto_heartbeat = true,
      run = function()
        local before = activity.cancellation_details()
        print("waiting")
        local ok, err = pcall(activity.wait_for_cancelled)
        print(json.encode({ before or "nothing", ok, err.kind, activity.cancellation_details() }))
        error(err, 0)
      end,
    },
    drained = function()
      local before = activity.is_worker_shutdown()
      print("begun")
      async.spawn(activity.wait_for_worker_shutdown)
      activity.wait_for_worker_shutdown()
      activity.wait_for_worker_shutdown()
      print(json.encode({ before, activity.is_worker_shutdown(), activity.is_cancelled() }))
    end,
    told = function() return activity.info() end,
  },
  workflows = {
    Cancel = function(ctx)
      local options = { heartbeat_timeout = 24, cancellation_type = "wait_completed" }
      local future = ctx:start_activity("cancelled", nil, options)
      ctx:sleep(0.1)
      future:cancel()
      return select(2, pcall(future.get, future)).kind
    end,
    Run = function(ctx, name)
      return ctx:execute_activity(name, nil, { priority = 2, retry_policy = { maximum_attempts = 3 } })
    end,
  },
})
local function start(workflow_type, input)
  return temporal.start({ task_queue = arg[1], workflow_type = workflow_type, input = input }).workflow_id
end
"""


def test_why_it_was_cancelled(lua: Script, name: str) -> None:
    result = lua.run(
        SCRIPT
        + """
        temporal.connect()
        print(temporal.get_result({ workflow_id = start("Cancel") }))
        worker:shutdown()
        """,
        name,
        "10",
    )
    _, told, kind = result.stdout.splitlines()
    reasons = dict.fromkeys(("timed_out", "not_found", "paused", "reset", "worker_shutdown"), False)
    assert json.loads(told) == ["nothing", False, "cancelled", {"cancel_requested": True, **reasons}]
    assert kind == "cancelled"


def test_the_end_of_its_worker(lua: Script, name: str) -> None:
    script = lua.command.script(SCRIPT + 'start("Run", "drained")')
    with lua.command.started(script, name, "60") as process:
        read_until(process, "begun")
        process.send_signal(signal.SIGTERM)
        output, stderr = process.communicate(timeout=60)
        assert (process.returncode, stderr) == (0, "")
    assert json.loads(output) == [False, True, False]


def test_the_end_of_the_grace(lua: Script, name: str) -> None:
    script = lua.command.script(SCRIPT + 'start("Run", "cancelled")')
    with lua.command.started(script, name, "0") as process:
        read_until(process, "waiting")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
    before, ok, kind, reasons = json.loads(output)
    assert (before, ok, kind) == ("nothing", False, "cancelled")
    assert [reason for reason, holds in reasons.items() if holds] == ["worker_shutdown"]


def test_its_policy_and_priority(lua: Script, name: str) -> None:
    info = lua.value(
        SCRIPT
        + """
        temporal.connect()
        print(json.encode(temporal.get_result({ workflow_id = start("Run", "told") })))
        worker:shutdown()
        """,
        name,
        "10",
    )
    assert info["priority"]["priority_key"] == 2
    assert info["retry_policy"]["maximum_attempts"] == 3


HEARTBEATS = """
local worker = temporal.worker({ task_queue = arg[1], max_heartbeat_throttle_interval = 0.1,
  activities = {
    hangs = function() sleep(600) end,
    kept = { auto_heartbeat = true, run = function() sleep(3) return "done" end },
  },
  workflows = { Run = function(ctx, name)
    local options = { heartbeat_timeout = 1, retry_policy = { maximum_attempts = 1 } }
    local ok, got = pcall(ctx.execute_activity, ctx, name, nil, options)
    return ok and got or got.type
  end },
})
temporal.connect()
local function run(name)
  return temporal.execute_workflow({ task_queue = arg[1], workflow_type = "Run", input = name })
end
"""


def test_the_heartbeat_timeout_finds_an_activity_that_hangs(lua: Script, name: str) -> None:
    value = lua.run(HEARTBEATS + 'print(run("hangs")) os.exit(0)', name)
    assert (value.stdout, value.returncode) == ("heartbeat\n", 0)


def test_an_activity_with_auto_heartbeat_outlives_its_heartbeat_timeout(lua: Script, name: str) -> None:
    value = lua.run(HEARTBEATS + 'print(run("kept")) worker:shutdown()', name)
    assert (value.stdout, value.returncode) == ("done\n", 0)


COMPUTES = """
local worker = temporal.worker({ task_queue = arg[1], graceful_shutdown_timeout = tonumber(arg[2]),
  activities = {
    spin = { auto_heartbeat = true, run = function(how)
      sleep(0)
      if how == "plain" then while true do end end
      while true do pcall(function() while true do end end) end
    end },
    quick = function() return "quick" end,
  },
  workflows = { Run = function(ctx, how)
    local once = { maximum_attempts = 1 }
    local ok, err = pcall(ctx.execute_activity, ctx, "spin", how, { heartbeat_timeout = 5, start_to_close_timeout = 2,
      retry_policy = once })
    return { err.type, ctx:execute_activity("quick") }
  end },
})
temporal.connect()
"""


@pytest.mark.parametrize("how", ["plain", "with pcall"])
def test_an_activity_that_computes_for_ever_is_stopped_when_its_attempt_is_over(
    lua: Script, name: str, how: str
) -> None:
    value = lua.value(
        COMPUTES
        + """
        local result = temporal.execute_workflow({ task_queue = arg[1], workflow_type = "Run", input = arg[3] })
        print(json.encode(result))
        worker:shutdown()
        """,
        name,
        "10",
        how,
    )
    assert value == ["start_to_close", "quick"]
