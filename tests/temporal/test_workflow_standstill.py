"""`assay workflow show` of an open run that is stuck: the steps in its history, and the reason."""

from __future__ import annotations

import json
import time

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.api.taskqueue.v1 import TaskQueue

from assay.temporal.client.pollers import Poller, Pollers
from assay.temporal.timeline.standstill import standstill
from command import read_until, wait_for
from temporal_script import Script
from timeouts import TIMEOUT

WORKER = """
temporal.worker({ task_queue = arg[1] or "QUEUE", activities = { first = function() return 1 end }, workflows = {
  W = function(ctx)
    ctx:execute_activity("first")
    ctx:wait_signal("go")
    ctx:sleep(77)
  end,
} })
print("polling")
"""


def worker(lua: Script, name: str) -> str:
    return lua.command.script(WORKER.replace("QUEUE", name), "worker.lua")


def start(lua: Script, name: str) -> None:
    lua.cli_text("workflow", "start", "--task-queue", name, "--type", "W", "--workflow-id", name)


def let_it_wait(lua: Script, name: str, script: str) -> None:
    """Run the worker until the workflow waits for its signal."""
    with lua.command.started("run", script) as process:
        read_until(process, "polling")
        wait_for(lambda: lua.events(name).count("WORKFLOW_TASK_COMPLETED") == 2)
        process.terminate()
        assert process.wait(TIMEOUT) == 0


def test_a_run_that_no_worker_has_taken_has_run_no_code(lua: Script, name: str) -> None:
    start(lua, name)
    result = lua.command.run("workflow", "show", name, worker(lua, name))
    assert result.stdout.endswith(f"· start\n\nno worker has taken it; no worker polls task queue '{name}'\n")
    assert (result.stderr, result.returncode) == ("", 0)


def test_a_script_that_polls_another_task_queue_is_reported(lua: Script, name: str) -> None:
    start(lua, name)
    result = lua.command.run("workflow", "show", name, worker(lua, f"{name}-other"))
    message = f"no worker has taken it; no worker polls task queue '{name}'; the script polls '{name}-other'\n"
    assert result.stdout.endswith(message)


def test_code_past_the_end_of_the_history_does_not_run(lua: Script, name: str) -> None:
    start(lua, name)
    script = worker(lua, name)
    let_it_wait(lua, name, script)
    result = lua.command.run("workflow", "show", name, script)
    assert "\nwaiting for:\n  signal 'go'\n" in result.stdout
    assert "no worker" not in result.stdout
    lua.cli_text("workflow", "signal", "--workflow-id", name, "--name", "go")
    result = lua.command.run("workflow", "show", name, script)
    assert "no worker has taken its last workflow task; task queue" in result.stdout
    assert "waiting for, after its last completed workflow task:\n  signal 'go'\n" in result.stdout
    assert "timer" not in result.stdout


def test_a_history_file_names_the_task_queue(lua: Script, name: str) -> None:
    start(lua, name)
    (lua.folder / "history.json").write_text(json.dumps(lua.cli("workflow", "show", "--workflow-id", name)))
    result = lua.command.run("workflow", "show", "history.json", worker(lua, name))
    assert result.stdout.endswith(f"no worker has taken it from task queue '{name}'\n")


def test_a_failing_workflow_task_is_reported_with_its_attempt(lua: Script, name: str) -> None:
    start(lua, name)
    script = lua.command.script(WORKER.replace("W = function", "Other = function").replace("QUEUE", name), "worker.lua")
    with lua.command.started("run", script):
        wait_for(lambda: "its workflow task keeps failing (attempt" in lua.command.run("workflow", "show", name).stdout)


def test_json_has_the_reason(lua: Script, name: str) -> None:
    start(lua, name)
    shown = json.loads(lua.command.run("workflow", "show", name, "--json").stdout)
    assert shown["standstill"] == f"no worker has taken it; no worker polls task queue '{name}'"


def versioned(lua: Script, name: str, build_id: str) -> str:
    """The worker as a version of a deployment."""
    deployment = f'deployment = {{ name = "{name}", build_id = "{build_id}", versioning = "pinned" }},'
    text = WORKER.replace("QUEUE", name).replace("temporal.worker({", f"temporal.worker({{ {deployment}")
    return lua.command.script(text, f"{build_id}.lua")


def test_a_deployment_without_a_current_version_is_reported(lua: Script, name: str) -> None:
    with lua.command.started("run", versioned(lua, name, "v1")) as process:
        read_until(process, "polling")
        start(lua, name)
        command = f"temporal worker deployment set-current-version --deployment-name {name} --build-id v1 --yes"
        problem = f"; deployment '{name}' has no current version, so new workflows wait: {command}"
        wait_for(lambda: problem in lua.command.run("workflow", "show", name).stdout)
        lua.cli_text(*command.split()[1:])  # the remedy works
        wait_for(lambda: lua.events(name).count("WORKFLOW_TASK_COMPLETED") == 2)


@pytest.mark.parametrize(
    ("build_id", "ago", "is_reported"), [("v1", 5, False), ("v1", 100, True), ("v2", 5, True)]
)  # the server lists pollers for five minutes
def test_a_pinned_version_without_workers_is_reported(build_id: str, ago: int, is_reported: bool) -> None:
    started = WorkflowExecutionStartedEventAttributes(task_queue=TaskQueue(name="q"))
    events = [
        HistoryEvent(event_id=1, workflow_execution_started_event_attributes=started),
        HistoryEvent(event_id=2, event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED),
    ]
    pollers = Pollers([Poller("1@a", time.time() - ago, "d", build_id)], without_current="d")
    text = f"no worker has taken it; task queue 'q' was last polled {ago} s ago, by 1@a"
    problem = "; it is pinned to version 'v1' of deployment 'd', for which no worker polls" if is_reported else ""
    assert standstill(events, None, pollers, ("d", "v1")) == text + problem
