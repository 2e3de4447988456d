"""The warning of a client that waits for a workflow without a worker."""

from __future__ import annotations

import pytest

from command import read_until, wait_for
from temporal_script import Script
from timeouts import TIMEOUT

CALLS = {
    "execute_workflow": 'client:execute_workflow({ task_queue = name, workflow_type = "W", workflow_id = name })',
    "get_result": 'client:start_workflow({ task_queue = name, workflow_type = "W", workflow_id = name }) '
    "client:get_result({ workflow_id = name })",
}


@pytest.mark.parametrize("call", list(CALLS.values()), ids=CALLS)
def test_a_waiting_client_logs_that_no_worker_polls(lua: Script, name: str, call: str) -> None:
    script = lua.command.script(f"""
    local name, client = arg[1], temporal.connect()
    local ok, err = pcall(function() {call} end)
    print(err.kind)
    """)
    errors = lua.folder / "stderr"
    warning = f"workflow '{name}': waiting for a worker; no worker polls task queue '{name}'"
    with errors.open("w") as stderr, lua.command.started(script, name, stderr=stderr) as process:
        wait_for(lambda: warning in errors.read_text())
        lua.cli_text("workflow", "terminate", "--workflow-id", name)
        read_until(process, "terminated")
        assert process.wait(TIMEOUT) == 0
    assert errors.read_text().count("no worker") == 1


def test_a_waiting_client_logs_nothing_when_a_worker_runs_the_workflow(lua: Script, name: str) -> None:
    result = lua.run(
        """
        local worker = temporal.worker({
          task_queue = arg[1], workflows = { W = function(ctx) ctx:sleep(7) return "slept" end },
        })
        local client = temporal.connect()
        print(client:execute_workflow({ task_queue = arg[1], workflow_type = "W" }))
        worker:shutdown()
        """,
        name,
    )
    assert (result.stdout, "no worker" in result.stderr) == ("slept\n", False)


def test_a_waiting_client_logs_that_no_version_is_current(lua: Script, name: str) -> None:
    script = lua.command.script("""
    local deployment = { name = arg[1], build_id = "v1", versioning = "pinned" }
    temporal.worker({ task_queue = arg[1], deployment = deployment, workflows = { W = function() end } })
    temporal.connect():execute_workflow({ task_queue = arg[1], workflow_type = "W" })
    """)
    errors = lua.folder / "stderr"
    warning = f"waiting for a worker; deployment '{name}' of task queue '{name}' has no current version"
    with errors.open("w") as stderr, lua.command.started(script, name, stderr=stderr):
        wait_for(lambda: warning in errors.read_text())
