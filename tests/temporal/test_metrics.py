"""A worker's metrics, in Prometheus and in an OpenTelemetry collector."""

from __future__ import annotations

import json
import signal
import socket
import time

from collector import collector
from command import read_until
from prometheus import free_port, scrape
from temporal_script import Script
from timeouts import TIMEOUT

WORKER = """
local metrics = json.parse(arg[2])
local function start(queue)
  return temporal.worker({ task_queue = queue, metrics = metrics,
    activities = { work = function() return 1 end },
    workflows = { Work = function(ctx) return ctx:execute_activity("work") end },
  })
end
start(arg[1])
start(arg[1] .. "-2")
for i = 1, 2 do
  local queue = i == 1 and arg[1] or arg[1] .. "-2"
  local client = temporal.connect()
  client:start_workflow({ task_queue = queue, workflow_type = "Work", workflow_id = queue })
  client:get_result({ workflow_id = queue })
end
print("done")
"""


def test_prometheus_scrapes_a_worker(lua: Script, name: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    with lua.command.started(lua.command.script(WORKER), name, json.dumps({"prometheus": address})) as worker:
        read_until(worker, "done")
        deadline = time.monotonic() + TIMEOUT
        while (text := scrape(address)).count("temporal_workflow_completed{") < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(TIMEOUT) == 0
    for queue in (name, f"{name}-2"):
        of_queue = [line for line in text.splitlines() if f'task_queue="{queue}"' in line]
        assert any(line.startswith("temporal_workflow_completed{") and line.endswith(" 1") for line in of_queue)
        assert any(line.startswith("temporal_activity_execution_latency") for line in of_queue)


def test_a_port_that_is_taken(lua: Script, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = lua.run(WORKER, name, json.dumps({"prometheus": address}))
    assert result.returncode == 1
    reason = f"cannot start the Prometheus exporter on {address}: Address already in use"
    assert f"temporal.worker: bad option 'metrics' ({reason})" in result.stderr


def test_a_collector_gets_a_workers_metrics(lua: Script, name: str) -> None:
    with collector() as found:
        metrics = json.dumps({"otlp": found.url, "headers": {"authorization": "Bearer me"}})
        with lua.command.started(lua.command.script(WORKER), name, metrics) as worker:
            read_until(worker, "done")
            deadline = time.monotonic() + TIMEOUT
            while "temporal_workflow_completed" not in found.metrics() and time.monotonic() < deadline:
                time.sleep(0.05)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(TIMEOUT) == 0
        assert {"temporal_workflow_completed", "temporal_activity_execution_latency"} <= found.metrics()
        assert {headers["authorization"] for _, headers, _ in found.requests} == {"Bearer me"}
