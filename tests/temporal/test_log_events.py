"""Log lines of a worker: a stable event, a code, and the workflow or activity."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from command import read_until, without_lifecycle
from temporal_script import Script
from timeouts import TIMEOUT

WORKER = """
local worker = temporal.worker({ task_queue = arg[1], workflows = {
  Fails = function() error("NO: not today") end,
  Asks = function(ctx) pcall(ctx.execute_activity, ctx, "breaks", 1, { retry_policy = { maximum_attempts = 1 } }) end,
}, activities = { breaks = function() error("BROKEN: it is") end } })
local client = temporal.connect()
client:start_workflow({ task_queue = arg[1], workflow_type = arg[2], workflow_id = arg[1] })
pcall(client.get_result, client, { workflow_id = arg[1] })
worker:shutdown()
"""


def lines(lua: Script, *arguments: str) -> list[dict[str, Any]]:
    """The JSON log lines of the worker."""
    lua.command.environment["ASSAY_LOG"] = "json"
    result = lua.run(WORKER, *arguments)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in without_lifecycle(result.stderr)]


def test_a_failed_workflow_is_logged_as_an_event(lua: Script, name: str) -> None:
    [line] = lines(lua, name, "Fails")
    assert (line["level"], line["event"], line["code"]) == ("warn", "workflow.failed", "ASSAY2006")
    assert line["message"] == f"workflow 'Fails' ({name}) failed: script.lua:3: NO: not today"
    fields = line["fields"]
    assert (fields["workflow_type"], fields["workflow_id"], fields["task_queue"]) == ("Fails", name, name)
    assert fields["namespace"] == "default"
    assert len(fields["run_id"]) == 36


def test_a_failed_activity_is_logged_as_an_event(lua: Script, name: str) -> None:
    [line] = lines(lua, name, "Asks")
    assert (line["event"], line["code"]) == ("activity.failed", "ASSAY3001")
    fields = line["fields"]
    assert (fields["activity_type"], fields["attempt"], fields["workflow_id"]) == ("breaks", 1, name)


LOGGING = """
local worker = temporal.worker({ task_queue = arg[1], workflows = {
  Logs = function(ctx)
    log.info("in the workflow", { order = 7 })
    ctx:execute_activity("logs")
  end,
}, activities = { logs = function() log.info("in the activity", { attempt = "mine" }) end } })
local client = temporal.connect()
client:start_workflow({ task_queue = arg[1], workflow_type = "Logs", workflow_id = arg[1] })
client:get_result({ workflow_id = arg[1] })
worker:shutdown()
log.info("in the main chunk")
"""


def test_lines_of_a_script_name_the_run_that_writes_them(lua: Script, name: str) -> None:
    lua.command.environment["ASSAY_LOG"] = "json"
    result = lua.run(LOGGING, name)
    workflow, activity, main = [json.loads(line) for line in without_lifecycle(result.stderr)]
    run = workflow["fields"].pop("run_id")
    assert workflow["fields"] == {"workflow_type": "Logs", "workflow_id": name, "order": 7}
    assert activity["fields"].pop("activity_id")
    named = {"activity_type": "logs", "attempt": "mine", "workflow_id": name, "run_id": run}
    assert activity["fields"] == named
    assert "fields" not in main


def test_a_line_of_text_ends_with_the_code(lua: Script, name: str) -> None:
    result = lua.run(WORKER, name, "Fails")
    text = f"warning: workflow 'Fails' ({name}) failed: script.lua:3: NO: not today [ASSAY2006]"
    assert without_lifecycle(result.stderr) == [text]


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_worker_that_finds_no_server_ends_with_an_event(lua: Script, style: str) -> None:
    lua.command.environment |= {"TEMPORAL_ADDRESS": "127.0.0.1:1", "ASSAY_LOG": style}
    result = lua.run("temporal.worker({ task_queue = 'q', workflows = { W = function() end } })")
    assert result.returncode == 1
    message = "temporal.worker: cannot connect to the Temporal server at 127.0.0.1:1: connection refused"
    if style == "text":
        assert result.stderr.startswith(f"assay: {message}\n")
        return
    line = json.loads(result.stderr)
    assert (line["level"], line["event"], line["code"]) == ("error", "script.failed", "ASSAY1001")
    assert message in line["message"]
    assert line["fields"]["traceback"].startswith("stack traceback:")


DRAINING = """
temporal.worker({
  task_queue = arg[1],
  graceful_shutdown_timeout = 40,
  deployment = arg[2] and { name = "promotions", build_id = arg[2], versioning = "pinned" },
  build_id = not arg[2] and "4f2c1d0" or nil,
  workflows = { Runs = function(ctx) ctx:execute_activity("waits") end, Other = function() end },
  activities = { waits = function() print("running") sleep(1) end },
})
if not arg[2] then
  temporal.connect():start_workflow({ task_queue = arg[1], workflow_type = "Runs", workflow_id = arg[1] })
else
  print("running")
end
"""


@pytest.mark.parametrize("build_id", [None, "v2"])
def test_the_life_of_a_worker_is_logged(lua: Script, name: str, build_id: str | None) -> None:
    lua.command.environment["ASSAY_LOG"] = "json"
    arguments = (name,) if build_id is None else (name, build_id)
    with lua.command.started(lua.command.script(DRAINING), *arguments) as process:
        read_until(process, "running")
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=TIMEOUT)
    started, draining, stopped = map(json.loads, stderr.splitlines())
    names = [(line["level"], line["event"]) for line in (started, draining, stopped)]
    assert names == [("info", "worker.started"), ("info", "worker.draining"), ("info", "worker.stopped")]
    deployment = {} if build_id is None else {"deployment": "promotions"}
    assert started["fields"].pop("assay_version")
    assert started["fields"] == {
        "task_queue": name,
        "namespace": "default",
        "address": lua.address,
        "build_id": build_id or "4f2c1d0",
        "workflows": 2,
        "activities": 1,
        "nexus_services": 0,
        **deployment,
    }
    running = "1 activity is running, to be cancelled after 40 s" if build_id is None else "no activities are running"
    assert draining["message"] == f"worker draining on task queue '{name}': {running}"
    assert draining["fields"]["activities"] == (build_id is None)
    assert stopped["message"] == f"worker stopped on task queue '{name}'"


def test_a_line_of_text_says_what_a_worker_serves(lua: Script, name: str) -> None:
    lua.command.environment["ASSAY_LOG_LEVEL"] = "info"
    started = lua.run(WORKER, name, "Asks").stderr.splitlines()[0]
    counts, _, rest = started.partition("; build id ")
    assert counts == f"info: worker started on task queue '{name}': 2 workflows, 1 activity"
    assert rest.endswith(f"; namespace 'default' at {lua.address} [ASSAY1017]")
