"""Heartbeats of activities, and the details that a next attempt gets."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from activity_runs import HAS_HEARTBEAT, ONCE, pending, working
from command import read_until, wait_for
from inline_lua import CLIENT, InlineLua
from temporal_script import Script


async def test_the_next_attempt_gets_the_details_of_the_last_heartbeat(inline_lua: InlineLua) -> None:
    details = await inline_lua(
        """
        temporal.worker({ task_queue = name,
          activities = { count = function()
            local details = activity.heartbeat_details()
            if details then return details end
            for i = 1, 500 do
              activity.heartbeat({ i = i, float = 1.0, empty = json.empty_array, long = 9007199254740993 })
            end
            error("again")
          end },
          workflows = { Count = function(ctx)
            return ctx:execute_activity("count", nil,
              { heartbeat_timeout = 60, retry_policy = { initial_interval = 0.01 } })
          end },
        })
        return run("Count")
        """
    )
    assert details == {"i": 500, "float": 1.0, "empty": [], "long": 9007199254740993}
    assert isinstance(details["float"], float)


async def test_a_first_attempt_has_no_details(inline_lua: InlineLua) -> None:
    has_details = await inline_lua(
        """
        temporal.worker({ task_queue = name,
          activities = { look = function() return activity.heartbeat_details() ~= nil end },
          workflows = { Look = function(ctx) return ctx:execute_activity("look") end },
        })
        return run("Look")
        """
    )
    assert has_details is False


@pytest.mark.parametrize(
    ("second_attempt", "details"),
    [
        ("", "from the first"),
        ("activity.heartbeat()", "from the first"),
        ("activity.heartbeat(false)", False),
        ("activity.heartbeat(false) activity.heartbeat()", False),
        ("activity.heartbeat(json.null)", "none"),
    ],
    ids=["no heartbeat", "one without details", "false", "false and one without details", "null"],
)
async def test_details_stay_until_a_heartbeat_has_others(
    inline_lua: InlineLua, second_attempt: str, details: Any
) -> None:
    third_attempt = await inline_lua(
        f"""
        temporal.worker({{ task_queue = name,
          activities = {{ work = function()
            local attempt, details = activity.info().attempt, activity.heartbeat_details()
            if attempt == 1 then
              activity.heartbeat("from the first")
            elseif attempt == 2 then
              assert(details == "from the first")
              {second_attempt}
            elseif details == nil then
              return "none"
            else
              return details
            end
            error("again")
          end }},
          workflows = {{ Work = function(ctx)
            return ctx:execute_activity("work", nil,
              {{ heartbeat_timeout = 60, retry_policy = {{ initial_interval = 0.01, maximum_attempts = 3 }} }})
          end }},
        }})
        return run("Work")
        """
    )
    assert third_attempt == details


async def test_automatic_heartbeats_repeat_the_details(inline_lua: InlineLua) -> None:
    details = await inline_lua(
        """
        local has_slept = false
        temporal.worker({ task_queue = name,
          activities = { step = { auto_heartbeat = true, run = function()
            -- A late heartbeat costs no more than one more attempt.
            local details = activity.heartbeat_details()
            if details == nil then
              activity.heartbeat("far")
            elseif not has_slept then
              has_slept = true
              sleep(1.5)
            else
              return details
            end
            error("again")
          end } },
          workflows = { Step = function(ctx)
            return ctx:execute_activity("step", nil,
              { heartbeat_timeout = 2, retry_policy = { initial_interval = 0.01 } })
          end },
        })
        return run("Step")
        """
    )
    assert details == "far"


def test_a_killed_workers_details_reach_the_next_worker(lua: Script, name: str) -> None:
    worker = """
    temporal.worker({ task_queue = arg[1],
      activities = { count = function()
        local from = activity.heartbeat_details() or 0
        print("from " .. from)
        local i = from
        while not fs.exists(arg[2]) do
          i = i + 1
          activity.heartbeat(i)
          sleep(0.1)
        end
        return { from = from, attempt = activity.info().attempt }
      end },
      workflows = { Count = function(ctx)
        return ctx:execute_activity("count", nil,
          { heartbeat_timeout = 3, retry_policy = { initial_interval = 0.01 } })
      end },
    })
    """

    def reported() -> int:
        """Return the count that the server has from a heartbeat."""
        details = pending(lua, name).get("heartbeatDetails")
        return int(details[0]) if details else 0

    stop = lua.folder / "stop"
    with working(lua, worker, name, str(stop)) as process:
        lua.run(CLIENT + 'start("Count", nil, name)', name)
        read_until(process, "from 0")
        wait_for(lambda: reported() > 3)
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
        known = reported()
    stop.touch()
    with working(lua, worker, name, str(stop)) as process:
        value = lua.value(CLIENT + "print(json.encode(result(name)))", name)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert value["attempt"] > 1
    assert value["from"] >= known > 3


def test_heartbeats_and_queries_go_on_while_another_activity_computes(lua: Script, name: str) -> None:
    worker = f"""
    local function until_stopped()
      while not fs.exists(arg[2]) do sleep(0.02) end
      return activity.info().attempt
    end
    temporal.worker({{ task_queue = arg[1], max_heartbeat_throttle_interval = 1,
      activities = {{
        first = {{ run = until_stopped, auto_heartbeat = true }},
        second = {{ run = until_stopped, auto_heartbeat = true }},
        compute = {{ auto_heartbeat = true, run = function()
          print("computing")
          sleep(0)
          while not fs.exists(arg[2]) do end
          return activity.info().attempt
        end }},
      }},
      workflows = {{
        Run = function(ctx, name)
          ctx:register_query("name", function() return name end)
          return ctx:execute_activity(name, nil, {ONCE})
        end,
        Quick = function(ctx) ctx:sleep(0.01) return "quick" end,
      }},
    }})
    """
    stop = lua.folder / "stop"
    with working(lua, worker, name, str(stop)) as process:
        value = lua.value(
            f"""{CLIENT} {HAS_HEARTBEAT}
            local names = {{ "first", "second", "compute" }}
            local ids = {{}}
            for _, activity_name in ipairs(names) do ids[activity_name] = start("Run", activity_name) end
            local function computes()
              local found = client:describe_workflow(ids.compute).pending_activities[1]
              return found and found.state == "STARTED"
            end
            wait_for(computes)
            local queried, heard = {{}}, 0
            while heard < #names do
              assert(run("Quick") == "quick")
              heard = 0
              for activity_name, id in pairs(ids) do
                queried[activity_name] = client:query_workflow({{ workflow_id = id, query_type = "name" }})
                if has_heartbeat(id) then heard = heard + 1 end
              end
            end
            fs.write(arg[2], "")
            local attempts = {{}}
            for activity_name, id in pairs(ids) do attempts[activity_name] = result(id) end
            print(json.encode({{ queried = queried, attempts = attempts }}))
            """,
            name,
            str(stop),
        )
        read_until(process, "computing")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert value["queried"] == {"first": "first", "second": "second", "compute": "compute"}
    assert value["attempts"] == {"first": 1, "second": 1, "compute": 1}
