"""Limits on how many activities run at once, per activity and per worker, and bad definitions of activities."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from activity_runs import HAS_HEARTBEAT, ONCE, is_started, working
from command import read_until, wait_for
from inline_lua import CLIENT, InlineLua
from temporal_script import Script
from timeouts import TIMEOUT


async def test_a_limit_of_one_activity_leaves_others_alone(inline_lua: InlineLua) -> None:
    seen = await inline_lua(
        f"""{HAS_HEARTBEAT}
        local is_open = false
        local narrow = {{ running = 0, max_running = 0 }}
        local wide = {{ running = 0 }}
        temporal.worker({{ task_queue = name, max_concurrent_local_activities = 3, max_heartbeat_throttle_interval = 1,
          activities = {{
            narrow = {{ max_concurrent = 2, auto_heartbeat = true, run = function(number)
              narrow.running = narrow.running + 1
              narrow.max_running = math.max(narrow.max_running, narrow.running)
              wait_for(function() return is_open end)
              narrow.running = narrow.running - 1
              return number
            end }},
            wide = {{ auto_heartbeat = true, run = function()
              wide.running = wide.running + 1
              wait_for(function() return is_open end)
            end }},
          }},
          workflows = {{
            Narrow = function(ctx, number) return ctx:execute_activity("narrow", number, {ONCE}) end,
            Wide = function(ctx) ctx:execute_activity("wide", nil, {ONCE}) end,
          }},
        }})
        local ids = {{}}
        for number = 1, 5 do ids[number] = start("Narrow", number) end
        for _ = 1, 3 do ids[#ids + 1] = start("Wide") end
        wait_for(function() return narrow.running == 2 and wide.running == 3 end)
        for _, id in ipairs(ids) do -- also those that wait for their turn
          wait_for(function() return has_heartbeat(id) end)
        end
        local seen = {{ narrow = narrow.running, wide = wide.running }}
        is_open = true
        seen.results = {{}}
        for number = 1, 5 do seen.results[number] = result(ids[number]) end
        seen.max_narrow = narrow.max_running
        return seen
        """
    )
    assert seen == {"narrow": 2, "max_narrow": 2, "wide": 3, "results": [1, 2, 3, 4, 5]}


def test_an_activity_that_is_cancelled_before_its_turn_never_begins(lua: Script, name: str) -> None:
    worker = f"""
    temporal.worker({{ task_queue = arg[1], max_heartbeat_throttle_interval = 1,
      activities = {{ narrow = {{ max_concurrent = 1, auto_heartbeat = true, run = function(n)
        print("begun " .. n)
        while not fs.exists(arg[2]) do sleep(0.02) end
        return n
      end }} }},
      workflows = {{ Run = function(ctx, n)
        local ok, got = pcall(ctx.execute_activity, ctx, "narrow", n, {ONCE})
        if not ok then ctx:wait_signal("never") end
        return got
      end }},
    }})
    """
    stop = lua.folder / "stop"
    with working(lua, worker, name, str(stop)) as process:
        lua.run(CLIENT + 'start("Run", 1, name .. 1)', name)
        read_until(process, "begun 1")
        lua.run(CLIENT + 'start("Run", 2, name .. 2)', name)
        wait_for(lambda: is_started(lua, name + "2"))
        lua.run(CLIENT + "client:cancel_workflow(name .. 2)", name)
        wait_for(lambda: "ACTIVITY_TASK_CANCELED" in lua.events(name + "2"))
        stop.touch()
        script = CLIENT + 'print(json.encode({ first = result(name .. 1), third = run("Run", 3) }))'
        assert lua.value(script, name) == {"first": 1, "third": 3}
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=TIMEOUT)
    assert output == "begun 3\n"


@pytest.mark.parametrize(
    ("activities", "message"),
    [
        ("{ a = 1 }", "bad option 'activities.a' (function or table expected, got number)"),
        ("{ a = {} }", "missing option 'activities.a.run'"),
        ("{ a = { noop } }", "bad option 'activities.a' (table of named options expected, got an array)"),
        ('{ a = { run = "x" } }', "bad option 'activities.a.run' (function expected, got string)"),
        (
            "{ a = { run = noop, max_concurent = 1 } }",
            "unknown option 'activities.a.max_concurent' (did you mean 'max_concurrent'?)",
        ),
        (
            "{ a = { run = noop, max_concurrent = 0 } }",
            "bad option 'activities.a.max_concurrent' (at least 1 expected, got 0)",
        ),
        (
            "{ a = { run = noop, max_concurrent = 1.5 } }",
            "bad option 'activities.a.max_concurrent' (integer expected, got 1.5)",
        ),
        ("{ __temporal_a = { run = noop } }", "bad option 'activities' (the name '__temporal_a' is reserved)"),
    ],
    ids=[
        "number",
        "no function",
        "array",
        "string",
        "misspelled option",
        "limit of 0",
        "fractional limit",
        "reserved name",
    ],
)
async def test_a_bad_definition_of_an_activity_is_refused(inline_lua: InlineLua, activities: str, message: str) -> None:
    raised: Any = await inline_lua(
        f"""
        local function noop() end
        local ok, err = pcall(temporal.worker, {{ task_queue = name, activities = {activities} }})
        return tostring(err)
        """
    )
    assert raised == f"temporal.worker: {message}"


async def test_a_worker_runs_at_least_one_local_activity(inline_lua: InlineLua) -> None:
    raised = await inline_lua(
        """
        local ok, err = pcall(temporal.worker,
          { task_queue = name, activities = { a = print }, max_concurrent_local_activities = 0 })
        return tostring(err)
        """
    )
    assert raised == "temporal.worker: bad option 'max_concurrent_local_activities' (at least 1 expected, got 0)"
