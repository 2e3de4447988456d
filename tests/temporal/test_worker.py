"""The worker on a real server: concurrency, unregistered types, its log, options and rates."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from activity_runs import working
from command import read_until, without_lifecycle
from inline_lua import CLIENT, InlineLua
from temporal_script import Script
from timeouts import TIMEOUT

# Concurrency ----------------------------------------------------------------------------------------------------


async def test_activities_run_at_the_same_time(inline_lua: InlineLua) -> None:
    results = await inline_lua(
        """
        local running, max_running = 0, 0
        temporal.worker({ task_queue = name,
          activities = { meet = function()
            running = running + 1
            max_running = math.max(max_running, running)
            while max_running < 20 do sleep(0.01) end
            running = running - 1
            return max_running
          end },
          workflows = { Meet = function(ctx) return ctx:execute_activity("meet") end },
        })
        local tasks, results = {}, {}
        for i = 1, 20 do tasks[i] = async.spawn(run, "Meet") end
        for i, task in ipairs(tasks) do results[i] = task:await()[1] end
        return results
        """
    )
    assert results == [20] * 20


def test_an_activity_that_computes_stops_no_workflow(lua: Script, name: str) -> None:
    worker = """
    temporal.worker({ task_queue = arg[1],
      activities = { compute = function()
        print("computing")
        sleep(0)
        while not fs.exists(arg[2]) do end
        return "computed"
      end },
      workflows = {
        Compute = function(ctx) return ctx:execute_activity("compute") end,
        Quick = function(ctx) ctx:sleep(0.01) return "quick" end,
      },
    })
    """
    stop = lua.folder / "stop"
    with working(lua, worker, name, str(stop)) as process:
        results = lua.value(
            f"""{CLIENT}
            start("Compute", nil, name)
            wait_for(function() return client:describe_workflow(name).history_length >= 5 end)
            print(json.encode({{ run("Quick"), run("Quick") }}))
            """,
            name,
        )
        read_until(process, "computing")
        stop.touch()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert results == ["quick", "quick"]


# Unregistered types ---------------------------------------------------------------------------------------------


def test_an_activity_that_is_not_registered_fails(lua: Script, name: str) -> None:
    result = lua.run(
        f"""{CLIENT}
        local worker = temporal.worker({{ task_queue = name,
          activities = {{ known = function() end }},
          workflows = {{ Missing = function(ctx)
            local once = {{ retry_policy = {{ maximum_attempts = 1 }} }}
            local ok, err = pcall(ctx.execute_activity, ctx, "unknown", nil, once)
            return tostring(err)
          end }},
        }})
        print(run("Missing"))
        worker:shutdown()
        """,
        name,
    )
    assert result.returncode == 0, result.stderr
    problem = "activity 'unknown' is not registered (registered: known)"
    assert result.stdout == f"activity 'unknown' failed: {problem}\n"
    assert f"warning: {problem}" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unregistered_workflow_waits_for_a_worker_that_registers_it(lua: Script, name: str) -> None:
    result = lua.run(
        f"""{CLIENT}
        local worker = temporal.worker({{ task_queue = name, workflows = {{ Live = function() return "live" end }} }})
        start("Nobody", nil, name)
        local live = run("Live")
        wait_for(function() return client:describe_workflow(name).history_length >= 4 end)
        local status = client:describe_workflow(name).status
        client:terminate_workflow(name)
        print(json.encode({{ live = live, status = status }}))
        worker:shutdown()
        """,
        name,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"live": "live", "status": "RUNNING"}
    assert "WORKFLOW_TASK_FAILED" in lua.events(name)
    assert "Nobody" in result.stderr
    assert "Traceback" not in result.stderr


# The log --------------------------------------------------------------------------------------------------------


def test_a_failed_workflow_is_logged_once_also_when_it_is_replayed(lua: Script, name: str) -> None:
    result = lua.run(
        f"""{CLIENT}
        local worker = temporal.worker({{ task_queue = name, max_cached_workflows = 0, workflows = {{
          Fails = function(ctx)
            ctx:sleep(0.01)
            error({{ type = "SOLD_OUT", message = "nothing left\\nat all" }})
          end,
        }} }})
        start("Fails", nil, name)
        pcall(result, name)
        client:query_workflow({{ workflow_id = name, query_type = "__stack_trace" }}) -- which replays it
        worker:shutdown()
        """,
        name,
    )
    line = f"warning: workflow 'Fails' ({name}) failed: nothing left [ASSAY2006]"
    assert (without_lifecycle(result.stderr), result.returncode) == ([line], 0)


def test_a_cancelled_workflow_and_a_benign_failure_are_not_logged(lua: Script, name: str) -> None:
    result = lua.run(
        f"""{CLIENT}
        local worker = temporal.worker({{ task_queue = name, workflows = {{
          Benign = function() error({{ message = "as usual", category = "benign" }}) end,
          Waits = function(ctx) ctx:sleep(600) end,
        }} }})
        start("Waits", nil, name)
        client:cancel_workflow(name)
        local has_completed = pcall(result, name)
        local has_succeeded = pcall(run, "Benign")
        print(json.encode({{ completed = has_completed, succeeded = has_succeeded }}))
        worker:shutdown()
        """,
        name,
    )
    assert json.loads(result.stdout) == {"completed": False, "succeeded": False}
    assert (without_lifecycle(result.stderr), result.returncode) == ([], 0)


LOGGING = f"""{CLIENT}
local worker = temporal.worker({{ task_queue = name,
  activities = {{ fail = function() error("no luck", 0) end }},
  workflows = {{
    Fail = function(ctx)
      return ctx:execute_activity("fail", nil, {{ retry_policy = {{ maximum_attempts = 1 }} }})
    end,
    Advised = function(ctx) return ctx:execute_activity("fial") end,
  }},
}})
pcall(run, "Fail")
worker:shutdown()
"""


def test_a_worker_logs_json_lines_if_it_is_told_to(lua: Script, name: str) -> None:
    lua.command.environment["ASSAY_LOG"] = "json"
    result = lua.run(LOGGING, name)
    assert result.returncode == 0, result.stderr
    advice, failed, ended = map(json.loads, without_lifecycle(result.stderr))
    line = LOGGING.splitlines().index('    Advised = function(ctx) return ctx:execute_activity("fial") end,') + 1
    assert advice["level"] == "warn"
    assert advice["message"].split(" (did")[0] == f"script.lua:{line}: no activity 'fial' is registered"
    assert failed.pop("time")
    assert failed.pop("fields")["activity_type"] == "fail"
    assert failed == {
        "level": "warn",
        "event": "activity.failed",
        "code": "ASSAY3001",
        "message": "activity 'fail' failed (attempt 1): no luck",
    }
    assert ended["message"].endswith(" failed: activity 'fail' failed: no luck")


def test_a_worker_logs_from_the_level_of_its_setting(lua: Script, name: str) -> None:
    lua.command.environment["ASSAY_LOG_LEVEL"] = "error"
    assert lua.run(LOGGING, name).stderr == ""


# Options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("workflows = W", "missing option 'task_queue'"),
        ("task_queue = 5, workflows = W", "bad option 'task_queue' (string expected, got number)"),
        ('task_queue = "", workflows = W', "bad option 'task_queue' (expected a non-empty string)"),
        ('task_queue = "q"', "nothing to run: set 'workflows', 'activities' or 'nexus_services'"),
        ('task_queue = "q", activites = { a = noop }', "unknown option 'activites' (did you mean 'activities'?)"),
        (
            'task_queue = "q", activities = { a = "noop" }',
            "bad option 'activities.a' (function or table expected, got string)",
        ),
        (
            'task_queue = "q", activities = { noop }',
            "bad option 'activities' (a table of functions by name expected, got an array)",
        ),
        (
            'task_queue = "q", workflows = { [1] = noop }',
            "bad option 'workflows' (a table of functions by name expected, got an array)",
        ),
        (
            'task_queue = "q", workflows = { ["__temporal_x"] = noop }',
            "bad option 'workflows' (the name '__temporal_x' is reserved)",
        ),
        (
            'task_queue = "q", workflows = W, max_concurrent_workflow_tasks = 1',
            "bad option 'max_concurrent_workflow_tasks' (at least 2 expected, got 1)",
        ),
        (
            'task_queue = "q", workflows = W, on_workflow_error = "retry"',
            """bad option 'on_workflow_error' (one of "fail", "suspend" expected, got "retry")""",
        ),
        (
            'task_queue = "q", workflows = W, graceful_shutdown_timeout = "10"',
            "bad option 'graceful_shutdown_timeout' (number expected, got string)",
        ),
        (
            'task_queue = "q", workflows = W, metrics = {}',
            "bad option 'metrics' (one of 'prometheus' and 'otlp' expected)",
        ),
        (
            'task_queue = "q", workflows = W, metrics = { prometheus = "9464" }',
            "bad option 'metrics.prometheus' (IP:PORT expected, got '9464')",
        ),
        (
            'task_queue = "q", workflows = W, metrics = { prometheus = "0.0.0.0:99999" }',
            "bad option 'metrics.prometheus' (IP:PORT expected, got '0.0.0.0:99999')",
        ),
        (
            'task_queue = "q", workflows = W, metrics = { otlp = "collector:4318" }',
            "bad option 'metrics.otlp' (an http:// or https:// URL expected, got 'collector:4318')",
        ),
        ('task_queue = "q", workflows = W, deployment = { name = "d" }', "missing option 'deployment.build_id'"),
        (
            'task_queue = "q", workflows = W, namespace = "no-such-namespace"',
            "namespace 'no-such-namespace' not found at ADDRESS",
        ),
    ],
    ids=[
        "no task queue",
        "task queue of another type",
        "empty task queue",
        "nothing to run",
        "misspelled option",
        "activity of another type",
        "array of activities",
        "array of workflows",
        "reserved name",
        "too few workflow tasks",
        "unknown error policy",
        "timeout of another type",
        "no metrics",
        "metrics without an address",
        "port out of range",
        "metrics without a scheme",
        "no build id",
        "unknown namespace",
    ],
)
async def test_a_bad_option_is_refused(inline_lua: InlineLua, temporal_server: str, options: str, problem: str) -> None:
    message = await inline_lua(
        f"""
        local function noop() end
        local W = {{ W = noop }}
        local ok, err = pcall(temporal.worker, {{ {options} }})
        return tostring(err)
        """
    )
    assert message == f"temporal.worker: {problem.replace('ADDRESS', temporal_server)}"


# Rates ----------------------------------------------------------------------------------------------------------

RATES = """
local options, count = ...
local running, max_running, begun = 0, 0, {}
options.task_queue = name
options.activities = { work = function()
  begun[#begun + 1] = time()
  running = running + 1
  max_running = math.max(max_running, running)
  sleep(0.05)
  running = running - 1
end }
options.workflows = { Work = function(ctx) ctx:execute_activity("work") end }
temporal.worker(options)
local ids = {}
for i = 1, count do ids[i] = start("Work") end
for _, id in ipairs(ids) do result(id) end
return { max_running = max_running, seconds = begun[#begun] - begun[1] }
"""


async def test_a_worker_limits_how_many_activities_run_at_once(inline_lua: InlineLua) -> None:
    seen = await inline_lua(RATES, {"max_concurrent_activities": 1}, 6)
    assert seen["max_running"] == 1
    assert seen["seconds"] >= 0.25


async def test_a_worker_limits_how_many_activities_start_in_a_second(inline_lua: InlineLua) -> None:
    seen = await inline_lua(RATES, {"max_activities_per_second": 10}, 24)
    # The first six or so may begin at once: each poll that waits for a task has its turn already.
    assert seen["seconds"] >= 0.7


async def test_the_server_learns_the_rate_of_a_task_queue(lua: Script, name: str) -> None:
    worker = f"""{CLIENT}
    temporal.worker({{ task_queue = name, max_task_queue_activities_per_second = 123,
      activities = {{ work = function() end }},
      workflows = {{ Work = function(ctx) ctx:execute_activity("work") end }},
    }})
    run("Work")
    print("done")
    """
    client = await Client.connect(lua.address)
    with working(lua, worker, name) as process:
        await asyncio.to_thread(read_until, process, "done")
        request = DescribeTaskQueueRequest(
            namespace="default",
            task_queue=TaskQueue(name=name),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        async with asyncio.timeout(TIMEOUT):  # until a poll has reached the server
            while not (pollers := (await client.workflow_service.describe_task_queue(request)).pollers):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert {poller.rate_per_second for poller in pollers} == {123}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


# Start-up -------------------------------------------------------------------------------------------------------


def test_a_worker_imports_only_what_it_needs_of_the_sdk(lua: Script, name: str) -> None:
    lua.command.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    script = lua.command.script(
        """
        temporal.worker({ task_queue = arg[1], activities = { done = function() return activity.info().attempt end },
          workflows = { One = function(ctx) return ctx:execute_activity("done") end } })
        print("polling")
        """
    )
    imports = lua.folder / "imports"
    with imports.open("w") as stderr, lua.command.started(script, name, stderr=stderr) as process:
        read_until(process, "polling")
        lua.cli_text("workflow", "execute", "--type", "One", "--task-queue", name, "--workflow-id", name)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0
    found = {line.rpartition("|")[2].strip() for line in imports.read_text().splitlines()}
    assert "temporalio.service" in found
    assert not found & {
        "temporalio.client",
        "temporalio.converter",
        "temporalio.nexus",
        "temporalio.worker",
        "nexusrpc",
    }
