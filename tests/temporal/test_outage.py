"""A server that stops and restarts: no call is lost, and the worker recovers by itself."""

from __future__ import annotations

import json
from pathlib import Path

from assay.temporal.dev_server.server import DevServer
from command import Command, read_until, wait_for, without_lifecycle
from temporal_script import Script
from timeouts import TIMEOUT

WORKER = """
temporal.worker({
  task_queue = "q",
  activities = {
    slow = function(input)
      fs.write("began", "")
      while not fs.exists("gone") do sleep(0.05) end
      return input
    end,
  },
  workflows = {
    Wait = function(ctx, input) return { input, ctx:wait_signal("go") } end,
    Slow = function(ctx, input)
      return ctx:execute_activity("slow", input, { retry_policy = { maximum_attempts = 1 } })
    end,
  },
})
print("up")
"""

CLIENT = """
local client = temporal.connect()
client:start_workflow({ task_queue = "q", workflow_type = "Wait", workflow_id = "waiting", input = 1 })
client:start_workflow({ task_queue = "q", workflow_type = "Slow", workflow_id = "slow", input = "still here" })
local waiting = async.spawn(function() return client:get_result({ workflow_id = "waiting" }) end)
while not fs.exists("began") do sleep(0.05) end
print("ready")
while not fs.exists("gone") do sleep(0.05) end
local began = time()
local ok, err = pcall(client.describe_workflow, client, { workflow_id = "slow", rpc_timeout = 1 })
local limited = { ok, err.kind, tostring(err), time() - began < 30 } -- others try for 60 s
local _, refused = pcall(temporal.connect)
local calls = {
  async.spawn(function() return client:describe_workflow("slow").workflow_type end),
  async.spawn(function()
    return client:start_workflow({ task_queue = "q", workflow_type = "Wait", workflow_id = "late" }).workflow_id
  end),
  async.spawn(function() return client:signal_workflow({ workflow_id = "waiting", signal_name = "go", input = 2 }) end),
}
print("calling")
local answers = async.all(calls)
client:signal_workflow({ workflow_id = "late", signal_name = "go" })
print(json.encode({
  limited = limited,
  refused = tostring(refused),
  answers = answers,
  waiting = waiting:await()[1],
  late = client:get_result({ workflow_id = "late" }),
  slow = client:get_result({ workflow_id = "slow" }),
  again = temporal.connect() ~= nil,
}))
"""


def test_calls_and_workers_outlive_the_server(assay: Command, tmp_path: Path) -> None:
    db = tmp_path / "server.db"
    first = DevServer(ui=False, db=db)
    first.start()
    try:
        lua = Script(assay, first.address)
        worker_script, client_script = assay.script(WORKER, "worker.lua"), assay.script(CLIENT, "client.lua")
        with assay.started(worker_script) as worker:
            read_until(worker, "up")
            with assay.started(client_script) as client:
                read_until(client, "ready")
                first.stop()
                (tmp_path / "gone").touch()
                read_until(client, "calling")
                with DevServer(ui=False, db=db, port=first.port):
                    assert client.stdout is not None
                    output = client.stdout.readline()
                    assert client.wait(TIMEOUT) == 0, client.stderr and client.stderr.read()
                    worker.terminate()
                    assert worker.wait(TIMEOUT) == 0
                    assert lua.events("slow")[-1] == "WORKFLOW_EXECUTION_COMPLETED"
    finally:
        first.stop()
    value = json.loads(output)
    assert value["limited"] == [
        False,
        "timeout",
        "client:describe_workflow: no response from the server within 1 s",
        True,
    ]
    assert f"temporal.connect: cannot connect to the Temporal server at {first.address}: " in value["refused"]
    assert value["answers"] == [["Slow"], ["late"], {}]
    assert value["waiting"] == [1, 2]
    assert value["late"] == {"2": True}
    assert value["slow"] == "still here"
    assert value["again"] is True


def test_a_worker_logs_once_each_that_the_server_is_away_and_back(assay: Command, tmp_path: Path) -> None:
    output = tmp_path / "stderr"
    first = DevServer(ui=False)
    first.start()
    try:
        Script(assay, first.address)
        # Two workers, each with pollers of two kinds: still one line.
        script = assay.script(WORKER + WORKER.replace('"q"', '"other"'))
        with output.open("w") as stderr, assay.started(script, stderr=stderr) as worker:
            read_until(worker, "up")
            read_until(worker, "up")
            first.stop()
            wait_for(lambda: "retrying" in output.read_text())
            with DevServer(ui=False, port=first.port):
                wait_for(lambda: "reachable again" in output.read_text())
                worker.terminate()
                assert worker.wait(TIMEOUT) == 0
    finally:
        first.stop()
    assert without_lifecycle(output.read_text()) == [
        f"warning: the Temporal server at {first.address} is unreachable (connection refused); retrying [ASSAY1003]",
        f"warning: the Temporal server at {first.address} is reachable again [ASSAY1004]",
    ]
