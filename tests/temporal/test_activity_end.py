"""The end of an activity: its cancellation, the shutdown of its worker, its timeouts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from command import read_until, without_lifecycle
from temporal_script import Script
from timeouts import TIMEOUT

SCRIPT = """
local worker = temporal.worker({
  task_queue = arg[1],
  graceful_shutdown_timeout = tonumber(arg[2]),
  activities = {
    waits_for_cancel = {
      auto_heartbeat = true, -- the answer to a heartbeat brings the cancellation
      run = function()
        local details_before = activity.cancellation_details()
        print("waiting")
        local ok, err = pcall(activity.wait_for_cancelled)
        print(json.encode({
          is_nil_before = details_before == nil,
          ok = ok,
          kind = err.kind,
          details = activity.cancellation_details(),
        }))
        error(err, 0)
      end,
    },
    waits_for_shutdown = function()
      local before = activity.is_worker_shutdown()
      print("waiting")
      async.spawn(activity.wait_for_worker_shutdown)
      activity.wait_for_worker_shutdown()
      activity.wait_for_worker_shutdown() -- returns at once
      print(json.encode({
        before = before,
        after = activity.is_worker_shutdown(),
        is_cancelled = activity.is_cancelled(),
      }))
    end,
    returns_info = function() return activity.info() end,
  },
  workflows = {
    CancelsActivity = function(ctx)
      -- There are three heartbeats in the timeout.
      local options = { heartbeat_timeout = 24, cancellation_type = "wait_completed" }
      local future = ctx:start_activity("waits_for_cancel", nil, options)
      ctx:sleep(0.1)
      future:cancel()
      local _, err = pcall(future.get, future)
      return err.kind
    end,
    RunsActivity = function(ctx, name)
      return ctx:execute_activity(name, nil, { priority = 2, retry_policy = { maximum_attempts = 3 } })
    end,
  },
})

local function start(workflow_type, input)
  return temporal.start({ task_queue = arg[1], workflow_type = workflow_type, input = input }).workflow_id
end
"""


def reasons(details: dict[str, bool]) -> list[str]:
    """Return the reasons of a cancellation that hold; all six must be there."""
    assert set(details) == {"cancel_requested", "timed_out", "not_found", "paused", "reset", "worker_shutdown"}
    assert all(isinstance(holds, bool) for holds in details.values())
    return [reason for reason, holds in details.items() if holds]


def test_an_activity_that_its_workflow_cancels_knows_the_reason(lua: Script, name: str) -> None:
    result = lua.run(
        SCRIPT
        + """
        temporal.connect()
        print(temporal.get_result({ workflow_id = start("CancelsActivity") }))
        worker:shutdown()
        """,
        name,
        "10",
    )
    _, of_activity, kind_in_workflow = result.stdout.splitlines()
    seen = json.loads(of_activity)
    assert (seen["is_nil_before"], seen["ok"], seen["kind"]) == (True, False, "cancelled")
    assert reasons(seen["details"]) == ["cancel_requested"]
    assert kind_in_workflow == "cancelled"


def run_until_shutdown(lua: Script, name: str, activity: str, grace: str) -> tuple[Any, str]:
    """Stop a worker while it runs an activity; returns what the activity printed, and what the worker logged."""
    script = lua.command.script(SCRIPT + f'start("RunsActivity", "{activity}")')
    with lua.command.started(script, name, grace) as process:
        read_until(process, "waiting")
        process.send_signal(signal.SIGTERM)
        output, stderr = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0
    return json.loads(output), stderr


def test_an_activity_can_wait_for_worker_shutdown_without_being_cancelled(lua: Script, name: str) -> None:
    seen, stderr = run_until_shutdown(lua, name, "waits_for_shutdown", grace="60")
    assert seen == {"before": False, "after": True, "is_cancelled": False}
    assert without_lifecycle(stderr) == []


def test_an_activity_is_cancelled_after_the_graceful_shutdown_timeout(lua: Script, name: str) -> None:
    seen, _ = run_until_shutdown(lua, name, "waits_for_cancel", grace="0")
    assert (seen["is_nil_before"], seen["ok"], seen["kind"]) == (True, False, "cancelled")
    assert reasons(seen["details"]) == ["worker_shutdown"]


def test_an_activity_knows_its_retry_policy_and_its_priority(lua: Script, name: str) -> None:
    info = lua.value(
        SCRIPT
        + """
        temporal.connect()
        print(json.encode(temporal.get_result({ workflow_id = start("RunsActivity", "returns_info") })))
        worker:shutdown()
        """,
        name,
        "10",
    )
    assert info["priority"]["priority_key"] == 2
    assert info["retry_policy"]["maximum_attempts"] == 3


# The heartbeat timeout --------------------------------------------------------------------------------------------

HEARTBEATS = """
local worker = temporal.worker({
  task_queue = arg[1],
  max_heartbeat_throttle_interval = 0.1,
  activities = {
    hangs = function() sleep(600) end,
    sends_heartbeats = {
      auto_heartbeat = true,
      run = function()
        sleep(3)
        return "done"
      end,
    },
  },
  workflows = {
    RunsActivity = function(ctx, name)
      local options = { heartbeat_timeout = 1, retry_policy = { maximum_attempts = 1 } }
      local ok, value = pcall(ctx.execute_activity, ctx, name, nil, options)
      return ok and value or "timeout: " .. value.type
    end,
  },
})
temporal.connect()

local function run(name)
  return temporal.execute_workflow({ task_queue = arg[1], workflow_type = "RunsActivity", input = name })
end
"""


def test_an_activity_that_hangs_fails_at_its_heartbeat_timeout(lua: Script, name: str) -> None:
    ended = lua.run(HEARTBEATS + 'print(run("hangs")) os.exit(0)', name)
    assert (ended.stdout, ended.returncode) == ("timeout: heartbeat\n", 0)


def test_an_activity_with_auto_heartbeat_outlives_its_heartbeat_timeout(lua: Script, name: str) -> None:
    ended = lua.run(HEARTBEATS + 'print(run("sends_heartbeats")) worker:shutdown()', name)
    assert (ended.stdout, ended.returncode) == ("done\n", 0)


# Activities that compute ------------------------------------------------------------------------------------------

COMPUTES = """
local worker = temporal.worker({
  task_queue = arg[1],
  graceful_shutdown_timeout = tonumber(arg[2]),
  activities = {
    spin = {
      auto_heartbeat = true,
      run = function(how)
        sleep(0)
        if how == "plain" then
          while true do end
        end
        while true do
          pcall(function()
            while true do end
          end)
        end
      end,
    },
    quick = function() return "quick" end,
  },
  workflows = {
    RunsBoth = function(ctx, how)
      local options = {
        heartbeat_timeout = 5,
        start_to_close_timeout = 2,
        retry_policy = { maximum_attempts = 1 },
      }
      local _, err = pcall(ctx.execute_activity, ctx, "spin", how, options)
      return { timeout = err.type, next_activity = ctx:execute_activity("quick") }
    end,
  },
})
temporal.connect()
"""


@pytest.mark.parametrize("how", ["plain", "with pcall"])
def test_an_endless_computation_is_stopped_at_the_timeout_of_its_attempt(lua: Script, name: str, how: str) -> None:
    value = lua.value(
        COMPUTES
        + """
        local result = temporal.execute_workflow({ task_queue = arg[1], workflow_type = "RunsBoth", input = arg[3] })
        print(json.encode(result))
        worker:shutdown()
        """,
        name,
        "10",
        how,
    )
    assert value == {"timeout": "start_to_close", "next_activity": "quick"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_an_activity_that_cannot_print_fails_with_the_reason(lua: Script, name: str) -> None:
    text = """
    local worker = temporal.worker({
      task_queue = arg[1],
      activities = { prints = function() print(("x"):rep(1000000)) end },
      workflows = {
        W = function(ctx) ctx:execute_activity("prints", nil, { retry_policy = { maximum_attempts = 1 } }) end,
      },
    })
    temporal.connect()
    pcall(temporal.execute_workflow, { task_queue = arg[1], workflow_type = "W" })
    worker:shutdown()
    os.exit(0)
    """
    command = [lua.command.path, lua.command.script(text), name]
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            command, env=lua.command.environment, cwd=lua.folder, stdout=full, stderr=subprocess.PIPE, check=False
        )
    problem = b"activity 'prints' failed (attempt 1): cannot write the output: No space left on device [ASSAY3001]"
    assert problem in result.stderr
