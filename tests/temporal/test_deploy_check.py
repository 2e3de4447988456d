"""`assay deploy check`: one report of check, tests and replay against a real server."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from command import read_until, wait_for
from prometheus import free_port
from temporal_script import Script

WORKER = """
temporal.worker({
  task_queue = "QUEUE",
  activities = { first = function() return 1 end, second = function() return 2 end },
  workflows = {
    Long = function(ctx)
      local result = ctx:execute_activity("first")
      ctx:wait_signal("go")
      return result
    end,
  },
})
print("polling")
"""
CHANGED = WORKER.replace('ctx:execute_activity("first")', 'ctx:execute_activity("second")')
TEST = 'test("adds", function() assert.eq(1 + 1, SUM) end)'
PASSES, FAILS = TEST.replace("SUM", "2"), TEST.replace("SUM", "3")


@pytest.fixture
def opened(lua: Script, name: str) -> str:
    """A task queue with an open workflow."""
    with lua.command.started(lua.command.script(WORKER.replace("QUEUE", name), "old.lua")) as worker:
        read_until(worker, "polling")
        lua.cli("workflow", "start", "--type", "Long", "--task-queue", name, "--workflow-id", name)
        wait_for(lambda: "ACTIVITY_TASK_COMPLETED" in lua.events(name))
        query = f"TaskQueue = '{name}' AND ExecutionStatus = 'Running'"
        wait_for(lambda: bool(lua.cli("workflow", "list", "--query", query)))
    (lua.folder / "old.lua").unlink()
    return name


def check(lua: Script, text: str, queue: str, *options: str) -> tuple[int, str]:
    """The exit code and the report of a check of a worker."""
    script = lua.command.script(text.replace("QUEUE", queue), "worker.lua")
    result = lua.command.run("deploy", "check", *options, script)
    assert "Traceback" not in result.stderr
    return result.returncode, result.stdout


def report(lua: Script, text: str, queue: str) -> tuple[int, Any]:
    """The exit code and the JSON report."""
    code, output = check(lua, text, queue, "--json")
    return code, json.loads(output)


def test_a_script_that_fits_passes(lua: Script, opened: str) -> None:
    lua.command.script(PASSES, "worker_test.lua")
    code, shown = check(lua, WORKER, opened)
    assert shown.splitlines()[-3:] == [
        "ok      check   0 errors, 0 warnings",
        "ok      test    1 passed, 0 failed",
        "ok      replay  1 history replayed: it matches",
    ]
    assert code == 0


def test_a_script_that_breaks_an_open_workflow_fails(lua: Script, opened: str) -> None:
    code, shown = check(lua, CHANGED, opened)
    assert code == 1
    assert "activity 'second'" in shown
    assert "ok      check   0 errors, 0 warnings" in shown
    assert "ok      test    no tests" in shown
    assert "FAILED  replay  1 history replayed: it does not match" in shown


def test_all_parts_are_done_also_when_the_first_ones_fail(lua: Script, opened: str) -> None:
    lua.command.script(FAILS, "worker_test.lua")
    code, shown = report(lua, CHANGED.replace('"second")', '"third")'), opened)
    assert code == 1
    assert shown["passed"] is False
    assert {name: shown[name]["passed"] for name in ("check", "test", "replay")} == {
        "check": False,
        "test": False,
        "replay": False,
    }
    findings = [finding for script in shown["check"]["scripts"] for finding in script["findings"]]
    assert any("third" in finding["message"] for finding in findings)
    assert shown["test"]["files"][0]["tests"][0]["name"] == "adds"
    assert shown["replay"]["histories"][0]["workflow_id"] == opened
    assert shown["replay"]["task_queues"] == [opened]


WARNED = {
    "check": WORKER.replace('ctx:wait_signal("go")', 'ctx:wait_signal("go")\n      ctx:start_activity("second")'),
    "replay": WORKER.replace('ctx:execute_activity("first")', 'ctx:execute_activity("first", "a new input")'),
}


@pytest.mark.parametrize("stage", WARNED)
def test_warnings_fail_only_a_strict_check(lua: Script, opened: str, stage: str) -> None:
    assert check(lua, WARNED[stage], opened)[0] == 0
    code, shown = check(lua, WARNED[stage], opened, "--strict")
    assert (code, [line.split()[1] for line in shown.splitlines() if line.startswith("FAILED")]) == (1, [stage])


@pytest.mark.parametrize(("versioning", "code"), [("pinned", 0), ("auto_upgrade", 1)])
def test_workflows_pinned_to_other_versions_are_skipped(lua: Script, name: str, versioning: str, code: int) -> None:
    def version(text: str, build: int) -> str:
        deployment = f'deployment = {{ name = "{name}", build_id = "{build}", versioning = "{versioning}" }},'
        return text.replace('"QUEUE",', f'"{name}", {deployment}')

    def becomes_current() -> bool:
        current = ("worker", "deployment", "set-current-version", "--deployment-name", name, "--build-id", "1", "--yes")
        try:
            lua.cli_text(*current)
        except subprocess.CalledProcessError:  # the server does not know it yet
            return False
        return True

    with lua.command.started(lua.command.script(version(WORKER, 1), "old.lua")) as worker:
        read_until(worker, "polling")
        wait_for(becomes_current)
        lua.cli("workflow", "start", "--type", "Long", "--task-queue", name, "--workflow-id", name)
        wait_for(lambda: "ACTIVITY_TASK_COMPLETED" in lua.events(name))
        behavior = "Pinned" if versioning == "pinned" else "AutoUpgrade"
        query = f"WorkflowId = '{name}' AND TemporalWorkflowVersioningBehavior = '{behavior}'"
        wait_for(lambda: bool(lua.cli("workflow", "list", "--query", query)))
    assert report(lua, version(CHANGED, 2), name)[0] == code


def test_the_address_of_the_command_line_replaces_that_of_the_script(lua: Script, opened: str) -> None:
    lua.command.environment["TEMPORAL_ADDRESS"] = f"127.0.0.1:{free_port()}"
    code, shown = check(lua, WORKER, opened, "--address", lua.address)
    assert "ok      replay  1 history replayed: it matches" in shown
    assert code == 0


def test_a_server_that_cannot_be_reached_is_not_a_pass(lua: Script, name: str) -> None:
    lua.command.environment["TEMPORAL_ADDRESS"] = f"127.0.0.1:{free_port()}"
    code, shown = report(lua, WORKER, name)
    assert code == 2
    assert shown["check"]["passed"] is True
    assert shown["replay"]["passed"] is False
    assert "127.0.0.1" in shown["replay"]["error"]


def test_a_script_that_cannot_be_read_is_reported_by_each_part(lua: Script, name: str) -> None:
    code, shown = report(lua, "temporal.worker({", name)
    assert code == 2
    assert shown["check"]["passed"] is False
    assert "error" in shown["replay"]


def test_tests_may_be_elsewhere(lua: Script, name: str) -> None:
    (lua.folder / "spec").mkdir()
    lua.command.script(FAILS, "worker_test.lua")
    lua.command.script(PASSES, "spec/more_test.lua")
    code, shown = check(lua, WORKER, name, "--tests", "spec")
    assert code == 0
    assert "ok      test    1 passed, 0 failed" in shown
