"""The worker on a real server."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from command import TIMEOUT, read_until
from temporal_script import Script

DONE = """
local function finish(value)
  print(json.encode(value))
  worker:shutdown()
end
local client = temporal.connect()
local function run(workflow_type, input)
  local started = client:start_workflow({ task_queue = arg[1], workflow_type = workflow_type, input = input })
  local ok, result = pcall(client.get_result, client, { workflow_id = started.workflow_id })
  if ok then
    return result
  end
  return { error = tostring(result), kind = result.kind, type = result.type, details = result.details }
end
"""


def test_activities_run_at_the_same_time(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local running, most = 0, 0
        worker = temporal.worker({ task_queue = arg[1],
          activities = { meet = function()
            running = running + 1
            most = math.max(most, running)
            while most < 20 do sleep(0.01) end
            running = running - 1
            return most
          end },
          workflows = { One = function(ctx) return ctx:execute_activity("meet") end },
        })
        """
        + DONE
        + """
        local handles = {}
        for i = 1, 20 do handles[i] = async.spawn(run, "One") end
        local out = {}
        for i, handle in ipairs(handles) do out[i] = handle:await()[1] end
        finish(out)
        """,
        name,
    )
    assert value == [20] * 20


def test_an_activity_that_computes_stops_no_workflow(lua: Script, name: str) -> None:
    worker = lua.command.script(
        """
        temporal.worker({ task_queue = arg[1],
          activities = { compute = function(input)
            print("computing")
            sleep(0)
            while not fs.exists(input.until_file) do end
            return "computed"
          end },
          workflows = {
            Compute = function(ctx, input) return ctx:execute_activity("compute", input) end,
            Quick = function(ctx) ctx:sleep(0.01) return "quick" end,
          },
        })
        """,
        "worker.lua",
    )
    stop = lua.folder / "stop"
    with lua.command.started(worker, name) as process:
        value = lua.value(
            """
            local client = temporal.connect()
            client:start_workflow({ task_queue = arg[1], workflow_type = "Compute", workflow_id = arg[1],
              input = { until_file = arg[2] } })
            local started = function()
              local run = client:start_workflow({ task_queue = arg[1], workflow_type = "Quick" })
              return client:get_result({ workflow_id = run.workflow_id, timeout = 60 })
            end
            while client:describe_workflow(arg[1]).history_length < 5 do sleep(0.05) end
            print(json.encode({ started(), started() }))
            """,
            name,
            str(stop),
        )
        read_until(process, "computing")
        stop.touch()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert value == ["quick", "quick"]


def test_an_activitys_input_and_result(lua: Script, name: str) -> None:
    value = lua.value(
        """
        worker = temporal.worker({ task_queue = arg[1],
          activities = {
            echo = function(input) return input end,
            count = function(...) return select("#", ...) end,
            nothing = function() end,
            bad = function() return { f = { print } } end,
          },
          workflows = {
            All = function(ctx, input)
              local out = {}
              for _, item in ipairs(input) do out[#out + 1] = ctx:execute_activity("echo", item) end
              local ok, err = pcall(ctx.execute_activity, ctx, "bad", nil, { retry_policy = { maximum_attempts = 1 } })
              return { out = out, count = ctx:execute_activity("count"), one = ctx:execute_activity("count", false),
                nothing = ctx:execute_activity("nothing") == nil, bad = tostring(err) }
            end,
          },
        })
        """
        + DONE
        + """
        finish(run("All", { 1, 1.0, "é", true, { a = { json.empty_array, {} } }, 9007199254740993, "\\0r1" }))
        """,
        name,
    )
    assert repr(value["out"]) == repr([1, 1.0, "é", True, {"a": [[], {}]}, 9007199254740993, "\0r1"])
    assert value["count"] == 0
    assert value["one"] == 1
    assert value["nothing"] is True
    assert value["bad"] == "activity 'bad' failed: the result is not serializable: a function at .f[1]"


def test_retries_and_failures(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local attempts = {}
        local function fail(input)
          attempts[input.key] = (attempts[input.key] or 0) + 1
          if attempts[input.key] < (input.succeed_at or 1e9) then
            error(input.error, input.level or 1)
          end
          return attempts[input.key]
        end
        worker = temporal.worker({ task_queue = arg[1],
          activities = { fail = fail, attempts = function() return attempts end },
          workflows = {
            Try = function(ctx, input)
              local ok, result = pcall(ctx.execute_activity, ctx, "fail", input, { retry_policy = {
                initial_interval = 0.01, maximum_attempts = input.maximum, non_retryable_errors = { "NO" } } })
              if ok then return result end
              return { kind = result.kind, type = result.type, message = tostring(result),
                details = result.details, activity_type = result.activity_type, cause = result.cause.message,
                retry_state = result.retry_state }
            end,
            Uncaught = function(ctx, input) return ctx:execute_activity("fail", input) end,
            Attempts = function(ctx) return ctx:execute_activity("attempts") end,
          },
        })
        """
        + DONE
        + """
        finish({
          run("Try", { key = "a", error = "not yet", succeed_at = 3 }),
          run("Try", { key = "b", error = "NO: never", maximum = 5 }),
          run("Try", { key = "c",
            error = { type = "T", message = "m", details = { 1, { x = 2 } }, non_retryable = true } }),
          run("Try", { key = "d", error = "again", level = 0, maximum = 2 }),
          run("Uncaught", { key = "e", error = { type = "T", message = "m", non_retryable = true } }),
          run("Attempts"),
        })
        """,
        name,
    )
    assert value[0] == 3
    assert value[1]["type"] == "NO"
    assert value[1]["kind"] == "activity"
    assert value[1]["activity_type"] == "fail"
    assert "script.lua:6: NO: never" in value[1]["message"]
    assert value[2]["type"] == "T"
    assert value[2]["message"] == "activity 'fail' failed: m"
    assert value[2]["details"] == [1, {"x": 2}]
    assert value[3]["cause"] == "again"
    assert value[3]["retry_state"] == "maximum_attempts_reached"
    assert value[4]["error"] == "activity 'fail' failed: m"
    assert value[5] == {"a": 3, "b": 1, "c": 1, "d": 2, "e": 1}


def test_unregistered_types(lua: Script, name: str) -> None:
    result = lua.run(
        """
        worker = temporal.worker({ task_queue = arg[1],
          activities = { known = function() end },
          workflows = {
            Missing = function(ctx)
              local once = { retry_policy = { maximum_attempts = 1 } }
              local ok, err = pcall(ctx.execute_activity, ctx, "unknown", nil, once)
              return tostring(err)
            end,
            Live = function() return "live" end,
          },
        })
        """
        + DONE
        + """
        local nobody = client:start_workflow({ task_queue = arg[1], workflow_type = "Nobody" })
        local missing, live = run("Missing"), run("Live")
        while client:describe_workflow(nobody.workflow_id).history_length < 4 do sleep(0.05) end
        local state = client:describe_workflow(nobody.workflow_id)
        client:terminate_workflow(nobody.workflow_id)
        finish({ missing, live, state.status, nobody.workflow_id })
        """,
        name,
    )
    assert result.returncode == 0, result.stderr
    missing, live, status, workflow_id = json.loads(result.stdout)
    assert missing == "activity 'unknown' failed: activity 'unknown' is not registered (registered: known)"
    assert live == "live"
    assert status == "RUNNING"
    assert "WORKFLOW_TASK_FAILED" in lua.events(workflow_id)
    assert "Nobody" in result.stderr
    assert "warning: activity 'unknown' is not registered (registered: known)" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_workflow_that_fails_is_told_once(lua: Script, name: str) -> None:
    script = (
        """
        worker = temporal.worker({ task_queue = arg[1], max_cached_workflows = 0, workflows = {
          Fails = function(ctx)
            ctx:sleep(0.01)
            error({ type = "SOLD_OUT", message = "nothing left\\nat all" })
          end,
          Expected = function() error({ message = "as usual", category = "benign" }) end,
          Waits = function(ctx) ctx:sleep(600) end,
        } })
        """
        + DONE
        + """
        local started = client:start_workflow({ task_queue = arg[1], workflow_type = "Fails", workflow_id = arg[1] })
        pcall(client.get_result, client, started)
        client:query_workflow({ workflow_id = arg[1], query_type = "__stack_trace" }) -- which replays it
        local waits = client:start_workflow({ task_queue = arg[1], workflow_type = "Waits" })
        client:cancel_workflow(waits.workflow_id)
        pcall(client.get_result, client, waits)
        finish(run("Expected"))
        """
    )
    result = lua.run(script, name)
    line = f"warning: workflow 'Fails' ({name}) failed: nothing left [ASSAY2006]\n"
    assert (result.stderr, result.returncode) == (line, 0)


def test_what_a_worker_says_follows_the_settings_of_the_log(lua: Script, name: str) -> None:
    script = (
        """
        worker = temporal.worker({ task_queue = arg[1],
          activities = { fail = function() error("no luck", 0) end },
          workflows = {
            Fail = function(ctx)
              return ctx:execute_activity("fail", nil, { retry_policy = { maximum_attempts = 1 } })
            end,
            Advised = function(ctx) return ctx:execute_activity("fial") end,
          },
        })
        """
        + DONE
        + """
        finish(run("Fail"))
        """
    )
    lua.command.environment["ASSAY_LOG"] = "json"
    result = lua.run(script, name)
    assert result.returncode == 0, result.stderr
    advice, failed, ended = map(json.loads, result.stderr.splitlines())
    assert failed.pop("time")
    assert failed.pop("fields")["activity_type"] == "fail"
    assert ended["message"].endswith(" failed: activity 'fail' failed: no luck")
    assert failed == {
        "level": "warn",
        "event": "activity.failed",
        "code": "ASSAY3001",
        "message": "activity 'fail' failed (attempt 1): no luck",
    }
    assert (advice["level"], advice["message"].split(" (did")[0]) == (
        "warn",
        "script.lua:8: no activity 'fial' is registered",
    )
    del lua.command.environment["ASSAY_LOG"]
    lua.command.environment["ASSAY_LOG_LEVEL"] = "error"
    assert lua.run(script, name).stderr == ""


def test_bad_options(lua: Script, name: str) -> None:
    value = lua.value(
        """
        local function noop() end
        local out = {}
        for _, options in ipairs({
          { workflows = { W = noop } },
          { task_queue = 5, workflows = { W = noop } },
          { task_queue = "", workflows = { W = noop } },
          { task_queue = "q" },
          { task_queue = "q", activites = { a = noop } },
          { task_queue = "q", activities = { a = "noop" } },
          { task_queue = "q", activities = { noop } },
          { task_queue = "q", workflows = { [1] = noop } },
          { task_queue = "q", workflows = { ["__temporal_x"] = noop } },
          { task_queue = "q", workflows = { W = noop }, max_concurrent_workflow_tasks = 1 },
          { task_queue = "q", workflows = { W = noop }, on_workflow_error = "retry" },
          { task_queue = "q", workflows = { W = noop }, graceful_shutdown_timeout = "10" },
          { task_queue = "q", workflows = { W = noop }, metrics = {} },
          { task_queue = "q", workflows = { W = noop }, metrics = { prometheus = "9464" } },
          { task_queue = "q", workflows = { W = noop }, metrics = { prometheus = "0.0.0.0:99999" } },
          { task_queue = "q", workflows = { W = noop }, metrics = { otlp = "collector:4318" } },
          { task_queue = "q", workflows = { W = noop }, deployment = { name = "d" } },
          { task_queue = "q", workflows = { W = noop }, namespace = "no-such-namespace" },
        }) do
          local ok, err = pcall(temporal.worker, options)
          out[#out + 1] = tostring(err)
        end
        print(json.encode(out))
        """
    )
    expected = [
        "temporal.worker: missing option 'task_queue'",
        "temporal.worker: bad option 'task_queue' (string expected, got number)",
        "temporal.worker: bad option 'task_queue' (expected a non-empty string)",
        "temporal.worker: nothing to run: set 'workflows', 'activities' or 'nexus_services'",
        "temporal.worker: unknown option 'activites' (did you mean 'activities'?)",
        "temporal.worker: bad option 'activities.a' (function or table expected, got string)",
        "temporal.worker: bad option 'activities' (a table of functions by name expected, got an array)",
        "temporal.worker: bad option 'workflows' (a table of functions by name expected, got an array)",
        "temporal.worker: bad option 'workflows' (the name '__temporal_x' is reserved)",
        "temporal.worker: bad option 'max_concurrent_workflow_tasks' (at least 2 expected, got 1)",
        """temporal.worker: bad option 'on_workflow_error' (one of "fail", "suspend" expected, got "retry")""",
        "temporal.worker: bad option 'graceful_shutdown_timeout' (number expected, got string)",
        "temporal.worker: bad option 'metrics' (one of 'prometheus' and 'otlp' expected)",
        "temporal.worker: bad option 'metrics.prometheus' (IP:PORT expected, got '9464')",
        "temporal.worker: bad option 'metrics.prometheus' (IP:PORT expected, got '0.0.0.0:99999')",
        "temporal.worker: bad option 'metrics.otlp' (an http:// or https:// URL expected, got 'collector:4318')",
        "temporal.worker: missing option 'deployment.build_id'",
        "temporal.worker: namespace 'no-such-namespace' not found",
    ]
    assert value == expected


def test_sigterm_drains(lua: Script, name: str) -> None:
    worker = lua.command.script(
        """
        temporal.worker({ task_queue = arg[1],
          activities = { slow = function(input)
            print("begun")
            sleep(0)
            while not fs.exists(input.until_file) do sleep(0.01) end
            print("ended")
            return "whole"
          end },
          workflows = { Slow = function(ctx, input) return ctx:execute_activity("slow", input) end },
        })
        """,
        "worker.lua",
    )
    stop = lua.folder / "stop"
    with lua.command.started(worker, name) as process:
        lua.run(
            """
            temporal.connect():start_workflow({ task_queue = arg[1], workflow_type = "Slow", workflow_id = arg[1],
              input = { until_file = arg[2] } })
            """,
            name,
            str(stop),
        )
        read_until(process, "begun")
        process.send_signal(signal.SIGTERM)
        stop.touch()
        read_until(process, "ended")
        assert process.wait(60) == 0
    assert "ACTIVITY_TASK_COMPLETED" in lua.events(name)


RATES = """
local running, most, begun = 0, 0, {}
local options = json.parse(arg[2])
options.task_queue = arg[1]
options.activities = { work = function()
  begun[#begun + 1] = time()
  running = running + 1
  most = math.max(most, running)
  sleep(0.05)
  running = running - 1
end }
options.workflows = { One = function(ctx) ctx:execute_activity("work") end }
worker = temporal.worker(options)
local client = temporal.connect()
local runs = {}
for i = 1, tonumber(arg[3] or 6) do
  runs[i] = client:start_workflow({ task_queue = arg[1], workflow_type = "One" }).workflow_id
end
for _, id in ipairs(runs) do client:get_result({ workflow_id = id }) end
"""


@pytest.mark.parametrize(
    ("options", "count", "most", "least_seconds"),
    [
        ({"max_concurrent_activities": 1}, 6, 1, 0.25),
        # The first six or so may begin at once: each poll that waits for a task has its turn already.
        ({"max_activities_per_second": 10}, 24, None, 0.7),
    ],
    ids=["concurrent", "per second"],
)
def test_limits_on_activities(
    lua: Script, name: str, options: dict[str, int], count: int, most: int | None, least_seconds: float
) -> None:
    finish = "print(json.encode({ most = most, took = begun[#begun] - begun[1] })) worker:shutdown()"
    value = lua.value(RATES + finish, name, json.dumps(options), str(count))
    assert most is None or value["most"] == most
    assert value["took"] >= least_seconds


async def test_the_rate_of_a_task_queue(lua: Script, name: str) -> None:
    script = lua.command.script(RATES + 'print("done")')
    client = await Client.connect(lua.address)
    with lua.command.started(script, name, json.dumps({"max_task_queue_activities_per_second": 123})) as worker:
        await asyncio.to_thread(read_until, worker, "done")
        request = DescribeTaskQueueRequest(
            namespace="default",
            task_queue=TaskQueue(name=name),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        async with asyncio.timeout(TIMEOUT):  # until a poll of it has come there
            while not (pollers := (await client.workflow_service.describe_task_queue(request)).pollers):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert {poller.rate_per_second for poller in pollers} == {123}
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0


def test_a_worker_imports_nothing_of_the_sdk_that_it_does_not_need(lua: Script, name: str) -> None:
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
