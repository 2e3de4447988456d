"""Options of a worker that say how it asks for tasks, and how many it takes."""

from __future__ import annotations

import pytest

from command import without_lifecycle
from temporal_script import Script

RUN = """
local worker = temporal.worker({
  task_queue = arg[1],
  activities = { work = function(n) return n + 1 end },
  workflows = { Work = function(ctx, n)
    return ctx:execute_local_activity("work", ctx:side_effect(function() return n end))
  end },
  OPTIONS
})
local client = temporal.connect()
print(client:execute_workflow({ task_queue = arg[1], workflow_type = "Work", workflow_id = arg[1], input = 1,
  execution_timeout = 60 }))
worker:shutdown()
"""


@pytest.mark.parametrize(
    "options",
    [
        """tuner = { target_memory_usage = 0.9, target_cpu_usage = 1,
          workflow = { minimum_slots = 2, maximum_slots = 50 }, activity = { maximum_slots = 10 } }""",
        """workflow_task_poller_behavior = { type = "autoscaling", minimum = 2, initial = 3, maximum = 20 },
          activity_task_poller_behavior = { type = "simple_maximum", maximum = 1 }""",
        """workflow_task_poller_behavior = { type = "simple_maximum", maximum = 2 },
          nonsticky_to_sticky_poll_ratio = 0.5""",
        """sticky_queue_schedule_to_start_timeout = 2.5, max_heartbeat_throttle_interval = 5,
          default_heartbeat_throttle_interval = 2, disable_eager_activity_execution = true""",
        "no_remote_activities = true",
    ],
)
def test_a_worker_with_it(lua: Script, name: str, options: str) -> None:
    result = lua.run(RUN.replace("OPTIONS", options), name)
    assert (result.returncode, result.stdout, without_lifecycle(result.stderr)) == (0, "2\n", [])


def test_a_build(lua: Script, name: str) -> None:
    result = lua.run(RUN.replace("OPTIONS", 'build_id = "4f2c1d0"').replace("print(client", "id = (client"), name)
    assert (result.returncode, without_lifecycle(result.stderr)) == (0, [])
    events = lua.cli("workflow", "show", "--workflow-id", name)["events"]
    builds = {
        event["workflowTaskCompletedEventAttributes"]["workerVersion"]["buildId"]
        for event in events
        if event["eventType"] == "EVENT_TYPE_WORKFLOW_TASK_COMPLETED"
    }
    assert builds == {"4f2c1d0"}


def test_only_local_activities(lua: Script, name: str) -> None:
    result = lua.value(
        """
        local worker = temporal.worker({
          task_queue = arg[1],
          no_remote_activities = true,
          activities = { work = function() return "done" end },
          workflows = { Work = function(ctx)
            local _, err = pcall(ctx.execute_activity, ctx, "work", nil, { schedule_to_start_timeout = 0.5 })
            return { ctx:execute_local_activity("work"), err.cause.type }
          end },
        })
        local client = temporal.connect()
        print(json.encode(client:execute_workflow({ task_queue = arg[1], workflow_type = "Work" })))
        worker:shutdown()
        """,
        name,
    )
    assert result == ["done", "schedule_to_start"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            "tuner = { target_memory_usage = 2, target_cpu_usage = 1 }",
            "tuner.target_memory_usage' (a number from 0 to 1",
        ),
        ("tuner = { target_cpu_usage = 1 }", "missing option 'tuner.target_memory_usage'"),
        (
            "tuner = { target_memory_usage = 1, target_cpu_usage = 1, nexus = { minimum_slots = 0 } }",
            "bad option 'tuner.nexus.minimum_slots' (at least 1 expected, got 0)",
        ),
        (
            "tuner = { target_memory_usage = 1, target_cpu_usage = 1 }, max_concurrent_activities = 3",
            "bad option 'max_concurrent_activities' (cannot be combined with 'tuner')",
        ),
        (
            'workflow_task_poller_behavior = { type = "simple_maximum", maximum = 1 }',
            "bad option 'workflow_task_poller_behavior.maximum' (at least 2 expected, got 1)",
        ),
        (
            'activity_task_poller_behavior = { type = "simple_maximum", minimum = 1 }',
            "bad option 'activity_task_poller_behavior.minimum' (only valid for type \"autoscaling\")",
        ),
        (
            'activity_task_poller_behavior = { type = "autoscaling", minimum = 50, maximum = 10 }',
            "'activity_task_poller_behavior' (minimum <= initial <= maximum expected, got 50, 5 and 10)",
        ),
        (
            "activity_task_poller_behavior = 5",
            "bad option 'activity_task_poller_behavior' (table expected, got number)",
        ),
        ("nonsticky_to_sticky_poll_ratio = 2", "bad option 'nonsticky_to_sticky_poll_ratio' (0 to 1 expected, got 2)"),
        (
            "max_concurrent_activities = 2^31",
            "'max_concurrent_activities' (at most 2147483647 expected, got 2.14748e+09)",
        ),
        ("graceful_shutdown_timeout = 1e300", "'graceful_shutdown_timeout' (at most 315576000 expected, got 1e+300)"),
        (
            "tuner = { target_memory_usage = 1, target_cpu_usage = 1, activity = { maximum_slots = 2^40 } }",
            "'tuner.activity.maximum_slots' (at most 2147483647 expected, got 1099511627776)",
        ),
        (
            'build_id = "x", deployment = { name = "d", build_id = "y" }',
            "bad option 'build_id' (cannot be combined with 'deployment')",
        ),
    ],
)
def test_bad_options_of_a_worker_are_errors(lua: Script, name: str, options: str, problem: str) -> None:
    result = lua.run(RUN.replace("OPTIONS", options), name)
    assert result.returncode == 1
    assert problem in result.stderr
