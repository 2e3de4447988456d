"""Cancellation of activities: what the function observes, and the result on the server."""

from __future__ import annotations

import signal
import socket
from functools import partial
from typing import Any

import pytest

from activity_runs import ONCE, is_started, pending, working
from command import Command, read_until, wait_for
from inline_lua import CLIENT, InlineLua
from temporal_script import Script
from timeouts import TIMEOUT

# An automatic heartbeat comes only every 8 seconds, and its answer brings the cancellation: all these run at once.
CANCELLED = (
    CLIENT
    + """
local begun, ended = {}, {}

-- Return an activity that records how a function ends.
local function recorded(activity_name, fn)
  return { auto_heartbeat = true, run = function()
    begun[activity_name] = true
    local ok, got = pcall(fn)
    ended[activity_name] = { is_cancelled = activity.is_cancelled(), raised = not ok,
      kind = not ok and got.kind or nil, message = not ok and tostring(got) or nil, more = ok and got or nil }
    if not ok then error(got, 0) end
  end }
end

local activities = {
  -- Wait in calls of all kinds.
  sleeps = function() sleep(600) end,
  gets = function() http.get(arg[2]) end,
  awaits = function()
    async.spawn(sleep, 2):await()
    sleep(600)
  end,
  -- Catch the cancellation, wait in between, and pass it on.
  cleans_up = function()
    local ok, err = pcall(sleep, 600)
    local function heartbeat_kind() return select(2, pcall(activity.heartbeat)).kind end
    local before = heartbeat_kind()
    sleep(0.01)
    sleep(0.01)
    fs.write("cleaned_up", before .. " " .. heartbeat_kind())
    error(err, 0)
  end,
  -- Catch the cancellation and return.
  completes = function() pcall(sleep, 600) end,
  -- Catch the cancellation and fail.
  fails = function()
    pcall(sleep, 600)
    error("UNCLEAN: no")
  end,
  -- Ask for the cancellation.
  polls = function()
    while not activity.is_cancelled() do pcall(sleep, 0.02) end
    activity.heartbeat()
  end,
}
local names, definitions = {}, {}
for activity_name, fn in pairs(activities) do
  names[#names + 1] = activity_name
  definitions[activity_name] = recorded(activity_name, fn)
end

local worker = temporal.worker({ task_queue = name, activities = definitions, max_heartbeat_throttle_interval = 1,
  workflows = { Run = function(ctx, activity_name)
    pcall(ctx.execute_activity, ctx, activity_name, nil, ONCE)
    ctx:wait_signal("never") -- open, so that the end of the activity gets into its history
  end },
})

local function all_in(seen)
  for _, activity_name in ipairs(names) do
    if not seen[activity_name] then return false end
  end
  return true
end
for _, activity_name in ipairs(names) do start("Run", activity_name, name .. activity_name) end
wait_for(function() return all_in(begun) end)
for _, activity_name in ipairs(names) do client:cancel_workflow(name .. activity_name) end
wait_for(function() return all_in(ended) end)
worker:shutdown()
print(json.encode(ended))
""".replace("ONCE", ONCE)
)

CLOSING_EVENTS = {
    "sleeps": "ACTIVITY_TASK_CANCELED",
    "gets": "ACTIVITY_TASK_CANCELED",
    "awaits": "ACTIVITY_TASK_CANCELED",
    "cleans_up": "ACTIVITY_TASK_CANCELED",
    "polls": "ACTIVITY_TASK_CANCELED",
    "completes": "ACTIVITY_TASK_COMPLETED",
    "fails": "ACTIVITY_TASK_FAILED",
}


class Cancelled:
    """The ends of the activities of `CANCELLED`."""

    def __init__(self, lua: Script) -> None:
        self.lua = lua
        self.queue = f"cancelled-{lua.folder.name}-{id(self)}"
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            self.ended: dict[str, Any] = lua.value(CANCELLED, self.queue, url)

    def has_event(self, activity: str, event: str) -> bool:
        """Return true if the history of an activity's workflow has an event of a type."""
        return event in self.lua.events(self.queue + activity)


@pytest.fixture(scope="module")
def cancelled(tmp_path_factory: pytest.TempPathFactory, temporal_server: str) -> Cancelled:
    """Run all activities of `CANCELLED` and cancel them."""
    return Cancelled(Script(Command(tmp_path_factory.mktemp("cancelled")), temporal_server))


@pytest.mark.parametrize("activity", ["sleeps", "gets", "awaits", "cleans_up"])
def test_a_cancellation_is_raised_where_the_activity_waits(cancelled: Cancelled, activity: str) -> None:
    assert cancelled.ended[activity] == {
        "raised": True,
        "kind": "cancelled",
        "message": "cancelled",
        "is_cancelled": True,
    }


def test_a_cancellation_is_raised_once_but_by_each_heartbeat(cancelled: Cancelled) -> None:
    assert (cancelled.lua.folder / "cleaned_up").read_text() == "cancelled cancelled"


def test_an_activity_may_poll_for_its_cancellation(cancelled: Cancelled) -> None:
    assert cancelled.ended["polls"]["message"] == "activity.heartbeat: the activity was cancelled"


def test_an_activity_may_ignore_its_cancellation(cancelled: Cancelled) -> None:
    assert cancelled.ended["completes"] == {"raised": False, "is_cancelled": True}


def test_an_activity_may_fail_after_its_cancellation(cancelled: Cancelled) -> None:
    assert "UNCLEAN: no" in cancelled.ended["fails"]["message"]


@pytest.mark.parametrize("activity", CLOSING_EVENTS)
def test_the_server_records_how_a_cancelled_activity_ended(cancelled: Cancelled, activity: str) -> None:
    # The server holds the event back while a workflow task is out, which the worker may have left.
    wait_for(partial(cancelled.has_event, activity, CLOSING_EVENTS[activity]))


def test_a_cancellation_reaches_computing_and_pending_activities(lua: Script, name: str) -> None:
    worker = f"""
    temporal.worker({{ task_queue = arg[1], max_heartbeat_throttle_interval = 1,
      activities = {{
        compute = function()
          print("computing")
          sleep(0)
          local _, err = pcall(function() while true do activity.heartbeat() end end)
          sleep(0) -- the cancellation that the heartbeat raised is not raised again
          print("heard " .. err.kind)
          sleep(0)
          error(err, 0)
        end,
        never = {{ run = function() print("never") end, auto_heartbeat = true }},
      }},
      workflows = {{
        Run = function(ctx, how)
          pcall(ctx.execute_activity, ctx, how, nil, {ONCE})
          ctx:wait_signal("never")
        end,
      }},
    }})
    """
    computing, waiting = name, f"{name}2"
    with working(lua, worker, name) as process:
        lua.run(CLIENT + 'start("Run", "compute", arg[2])', name, computing)
        read_until(process, "computing")
        lua.run(CLIENT + 'start("Run", "never", arg[2])', name, waiting)
        # The second activity is on the worker, but Lua is busy: a cancellation now means that it never begins.
        wait_for(lambda: is_started(lua, waiting))
        lua.run(CLIENT + "client:cancel_workflow(arg[2])", name, waiting)
        wait_for(lambda: pending(lua, waiting)["state"] == "PENDING_ACTIVITY_STATE_CANCEL_REQUESTED")
        last = pending(lua, waiting).get("lastHeartbeatTime")
        # The worker learns of it from the answer to the next heartbeat.
        wait_for(lambda: pending(lua, waiting).get("lastHeartbeatTime") != last)
        lua.run(CLIENT + "client:cancel_workflow(arg[2])", name, computing)
        read_until(process, "heard cancelled")
        wait_for(lambda: "ACTIVITY_TASK_CANCELED" in lua.events(computing))
        wait_for(lambda: "ACTIVITY_TASK_CANCELED" in lua.events(waiting))
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0
    assert "never" not in output


async def test_an_activity_that_timed_out_is_cancelled(inline_lua: InlineLua) -> None:
    seen = await inline_lua(
        """
        local heard
        temporal.worker({ task_queue = name, max_heartbeat_throttle_interval = 1,
          activities = { late = { auto_heartbeat = true, run = function()
            activity.heartbeat("halfway")
            local ok, err = pcall(sleep, 600)
            heard = err.kind
            error(err, 0)
          end } },
          workflows = { Late = function(ctx)
            local ok, err = pcall(ctx.execute_activity, ctx, "late", nil, { start_to_close_timeout = 3,
              heartbeat_timeout = 4, retry_policy = { maximum_attempts = 1 } })
            return { kind = err.cause.kind, type = err.type }
          end },
        })
        local failure = run("Late")
        wait_for(function() return heard end)
        return { in_activity = heard, in_workflow = failure }
        """
    )
    assert seen == {"in_activity": "cancelled", "in_workflow": {"kind": "timeout", "type": "start_to_close"}}


# Commands of an operator ------------------------------------------------------------------------------------------

INTERRUPTED = """
local count = 0
temporal.worker({ task_queue = arg[1], max_heartbeat_throttle_interval = 0.1,
  activities = { work = function()
    count = count + 1
    if count > 1 then return "done" end
    local ok, err = pcall(function()
      while true do
        activity.heartbeat()
        sleep(0.02)
      end
    end)
    local details = activity.cancellation_details()
    print(details.paused and "paused" or details.reset and "reset")
    error(err, 0)
  end },
  workflows = { Run = function(ctx)
    return ctx:execute_activity("work", nil, { activity_id = "a", heartbeat_timeout = 300,
      retry_policy = { initial_interval = 0.01 } })
  end },
})
"""
"""A worker whose activity works until it is interrupted, and is done at once when it runs again."""


def test_a_paused_activity_runs_again_once_it_is_unpaused(lua: Script, name: str) -> None:
    with working(lua, INTERRUPTED, name) as process:
        lua.run(CLIENT + 'start("Run", nil, name)', name)
        wait_for(lambda: is_started(lua, name))
        lua.cli_text("activity", "pause", "--activity-id", "a", "--workflow-id", name)
        read_until(process, "paused")
        wait_for(lambda: pending(lua, name)["state"] == "PENDING_ACTIVITY_STATE_PAUSED")
        lua.cli_text("activity", "unpause", "--activity-id", "a", "--workflow-id", name)
        assert lua.value(CLIENT + "print(json.encode(result(name)))", name) == "done"


def test_an_activity_that_is_reset_runs_again(lua: Script, name: str) -> None:
    with working(lua, INTERRUPTED, name) as process:
        lua.run(CLIENT + 'start("Run", nil, name)', name)
        wait_for(lambda: is_started(lua, name))
        lua.cli_text("activity", "reset", "--activity-id", "a", "--workflow-id", name)
        read_until(process, "reset")
        assert lua.value(CLIENT + "print(json.encode(result(name)))", name) == "done"
