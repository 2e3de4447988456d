"""The end of a worker: activities that run, a graceful timeout, a second signal, and `worker:shutdown()`."""

from __future__ import annotations

import logging
import signal
from subprocess import TimeoutExpired

import pytest

from activity_runs import pending, working
from assay.temporal.worker import worker as worker_module
from command import read_until
from inline_lua import CLIENT, InlineLua
from temporal_script import Script
from timeouts import TIMEOUT

WAITING_WORKER = """
temporal.worker({ task_queue = arg[1], graceful_shutdown_timeout = tonumber(arg[3]),
  activities = {
    wait = function(n)
      async.spawn(function()
        activity.wait_for_worker_shutdown()
        print("draining")
      end)
      print("begun")
      local ok, err = pcall(function()
        while not fs.exists(arg[2]) do sleep(0.02) end
      end)
      print(ok and "ended" or err.kind)
      if not ok then error(err, 0) end
      return n
    end,
    compute = function()
      print("computing")
      sleep(0)
      while true do end
    end,
  },
  workflows = { Run = function(ctx, input)
    return ctx:execute_activity(input.name, input.n, { retry_policy = { initial_interval = 3600 } })
  end },
})
"""


def test_sigterm_lets_running_activities_end(lua: Script, name: str) -> None:
    stop = lua.folder / "stop"
    with working(lua, WAITING_WORKER, name, str(stop), "60") as process:
        lua.run(CLIENT + 'for n = 1, 3 do start("Run", { name = "wait", n = n }, name .. n) end', name)
        for _ in range(3):
            read_until(process, "begun")
        process.send_signal(signal.SIGTERM)
        for _ in range(3):
            read_until(process, "draining")
        # A worker that drains takes nothing new.
        lua.run(CLIENT + 'start("Run", { name = "wait", n = 4 }, name .. 4)', name)
        assert process.poll() is None
        stop.touch()
        output, _ = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0
    assert output.split() == ["ended"] * 3
    for n in (1, 2, 3):
        assert "ACTIVITY_TASK_COMPLETED" in lua.events(f"{name}{n}")
    assert "ACTIVITY_TASK_SCHEDULED" not in lua.events(f"{name}4")


def test_the_default_graceful_timeout_lets_an_activity_end(lua: Script, name: str) -> None:
    worker = """
    temporal.worker({ task_queue = arg[1],
      activities = { slow = function()
        print("begun")
        sleep(0)
        while not fs.exists(arg[2]) do sleep(0.01) end
        print("ended")
        return "whole"
      end },
      workflows = { Slow = function(ctx) return ctx:execute_activity("slow") end },
    })
    """
    stop = lua.folder / "stop"
    with working(lua, worker, name, str(stop)) as process:
        lua.run(CLIENT + 'start("Slow", nil, name)', name)
        read_until(process, "begun")
        process.send_signal(signal.SIGTERM)
        stop.touch()
        read_until(process, "ended")
        assert process.wait(60) == 0
    assert "ACTIVITY_TASK_COMPLETED" in lua.events(name)


def test_the_end_of_the_graceful_timeout_cancels(lua: Script, name: str) -> None:
    with working(lua, WAITING_WORKER, name, str(lua.folder / "stop"), "0.5") as process:
        lua.run(CLIENT + 'start("Run", { name = "wait" }, name)', name)
        read_until(process, "begun")
        process.send_signal(signal.SIGTERM)
        read_until(process, "cancelled")
        assert process.wait(60) == 0
    # It failed for the server, which tries it again on another worker; it did not just time out.
    again = pending(lua, name)
    assert again["state"] == "PENDING_ACTIVITY_STATE_SCHEDULED"
    assert int(again["attempt"]) == 2


@pytest.mark.parametrize(("activity", "line"), [("wait", "begun"), ("compute", "computing")], ids=["waits", "computes"])
def test_a_second_signal_ends_at_once(lua: Script, name: str, activity: str, line: str) -> None:
    with working(lua, WAITING_WORKER, name, str(lua.folder / "stop"), "600") as process:
        lua.run(CLIENT + 'start("Run", { name = arg[2] }, name)', name, activity)
        read_until(process, line)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM


async def test_shutdown_waits_for_running_activities(inline_lua: InlineLua, lua: Script, name: str) -> None:
    seen = await inline_lua(
        """
        local has_begun, may_end, has_ended = false, false, false
        local worker = temporal.worker({ task_queue = name, graceful_shutdown_timeout = 60,
          activities = { slow = function()
            has_begun = true
            wait_for(function() return may_end end)
            sleep(0.5)
            has_ended = true
            return "whole"
          end },
          workflows = { Slow = function(ctx) return ctx:execute_activity("slow") end },
        })
        start("Slow", nil, name)
        wait_for(function() return has_begun end)
        local was_running = worker:is_running()
        local shutdown = async.spawn(function()
          worker:shutdown()
          return has_ended
        end)
        wait_for(function() return not worker:is_running() end)
        may_end = true
        local had_ended = shutdown:await()[1]
        worker:wait() -- returns at once
        return { running_before = was_running, activity_ended_first = had_ended }
        """
    )
    assert seen == {"running_before": True, "activity_ended_first": True}
    assert "ACTIVITY_TASK_COMPLETED" in lua.events(name)


async def test_an_activity_that_outlasts_its_cancellation_is_abandoned(
    inline_lua: InlineLua, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_module, "ABANDON_MARGIN", 0.1)
    with caplog.at_level(logging.WARNING):
        await inline_lua(
            """
            local has_begun = false
            local worker = temporal.worker({ task_queue = name, graceful_shutdown_timeout = 0.1,
              activities = { stubborn = function()
                has_begun = true
                pcall(sleep, 1000)
                sleep(1000)
              end },
              workflows = { Run = function(ctx) return ctx:execute_activity("stubborn") end },
            })
            start("Run", nil, name)
            wait_for(function() return has_begun end)
            worker:shutdown()
            """
        )
    assert "temporal.worker: shutdown timed out; abandoning running activities" in caplog.messages
