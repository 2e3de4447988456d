"""Warnings of `assay replay` for matching histories: differences that Temporal does not check."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path

import pytest

from command import Command, read_until, wait_for
from temporal_script import Script
from timeouts import TIMEOUT

KEYS = """{ type = "aes-gcm", current = "one", keys = { one = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" } }"""
WORKER = """
local client = temporal.connect({ codec = CODEC })
temporal.worker({
  task_queue = arg[1] or "differing",
  codec = CODEC,
  activities = { charge = function(input) return input.amount end },
  workflows = {
    Child = function() end,
    Order = function(ctx)
      ctx:execute_activity("charge", { amount = 3, tags = { "a" } })
      ctx:execute_child_workflow("Child", "of order", { workflow_id = ctx:workflow_info().workflow_id .. "-child" })
      ctx:start_timer(5000)
      ctx:side_effect(function() return 1 end)
      ctx:wait_signal("go")
      return "done"
    end,
  },
})
client:start_workflow({ task_queue = arg[1], workflow_type = "Order", workflow_id = arg[1] })
print("polling")
"""


def record(lua: Script, name: str, text: str) -> Path:
    """The history of a run that waits for its signal."""
    with lua.command.started(lua.command.script(text, "worker.lua"), name) as process:
        read_until(process, "polling")
        wait_for(lambda: "TIMER_STARTED" in lua.events(name))
        process.terminate()
        assert process.wait(TIMEOUT) == 0
    path = lua.folder / "history.json"
    path.write_text(json.dumps(lua.cli("workflow", "show", "--workflow-id", name)), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=["nil", KEYS], ids=["plain", "encrypted"])
def recorded(
    request: pytest.FixtureRequest, temporal_server: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A history, and its script."""
    lua = Script(Command(tmp_path_factory.mktemp("differing")), temporal_server)
    text = WORKER.replace("CODEC", request.param)
    return record(lua, f"differing-{uuid.uuid4().hex[:8]}", text), text


def replay(
    assay: Command, recorded: tuple[Path, str], old: str, new: str, *options: str
) -> subprocess.CompletedProcess[str]:
    history, text = recorded
    assert old in text
    return assay.run("replay", assay.script(text.replace(old, new), "worker.lua"), str(history), *options)


def test_the_same_code_has_no_warning(assay: Command, recorded: tuple[Path, str]) -> None:
    result = replay(assay, recorded, "5000", "5000", "--strict")
    assert (result.stdout, result.stderr, result.returncode) == ("1 history replayed: it matches\n", "", 0)


CHANGES = {
    "timer": (
        "start_timer(5000)",
        "start_timer(7.5)",
        ": the timer is 5000 s in the history and 7.5 s in the script; an open run waits 5000 s (worker.lua:12)\n",
    ),
    "input": (
        "amount = 3",
        "amount = 4",
        """: the input of activity 'charge' is {"amount": 3, "tags": ["a"]} in the history and """
        """{"amount": 4, "tags": ["a"]} in the script (worker.lua:10)\n""",
    ),
    "input of a child": ('"of order"', "nil", """-child is "of order" in the history and none in the script (worker"""),
    "step": (
        'ctx:wait_signal("go")',
        'ctx:execute_activity("charge", 1)',
        "the script continues after the history: activity 'charge'; an open run would not match at its next task",
    ),
    "end": (
        'ctx:wait_signal("go")',
        "",
        "the script continues after the history: the workflow completed; an open",
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_difference_that_temporal_bears_is_a_warning(
    assay: Command, recorded: tuple[Path, str], change: tuple[str, str, str]
) -> None:
    old, new, text = change
    result = replay(assay, recorded, old, new)
    assert text in result.stdout
    assert result.stdout.endswith("1 history replayed: it matches, 1 warning\n")
    assert (result.stderr, result.returncode) == ("", 0)


def test_the_order_of_keys_is_no_difference(assay: Command, recorded: tuple[Path, str]) -> None:
    result = replay(assay, recorded, '{ amount = 3, tags = { "a" } }', '{ tags = { "a" }, amount = 3 }', "--strict")
    assert (result.stdout, result.returncode) == ("1 history replayed: it matches\n", 0)


HISTORIES = Path(__file__).parent.parent / "histories"


@pytest.mark.parametrize("folder", sorted(path.name for path in HISTORIES.iterdir()))
def test_recorded_histories_do_not_differ(assay: Command, folder: str) -> None:
    recorded = HISTORIES / folder
    result = assay.run("replay", str(recorded / "worker.lua"), str(recorded), "--strict")
    assert (result.returncode, "warning" in result.stdout) == (0, False), result.stdout


def test_strict_makes_warnings_errors(assay: Command, recorded: tuple[Path, str]) -> None:
    assert replay(assay, recorded, "5000", "5001", "--strict").returncode == 1


def test_commands_of_a_due_workflow_task_are_not_a_difference(lua: Script, name: str) -> None:
    text = WORKER.replace("CODEC", "nil")
    path = record(lua, name, text)
    lua.cli_text("workflow", "signal", "--workflow-id", name, "--name", "go")
    path.write_text(json.dumps(lua.cli("workflow", "show", "--workflow-id", name)), encoding="utf-8")
    assert lua.events(name)[-2:] == ["WORKFLOW_EXECUTION_SIGNALED", "WORKFLOW_TASK_SCHEDULED"]
    result = lua.command.run("replay", "worker.lua", str(path), "--strict")
    assert (result.stdout, result.returncode) == ("1 history replayed: it matches\n", 0)


def test_json_has_every_history(assay: Command, recorded: tuple[Path, str]) -> None:
    result = replay(assay, recorded, "5000", "5001", "--json")
    shown = json.loads(result.stdout)
    assert (shown["replayed"], shown["failed"], shown["warnings"]) == (1, 0, 1)
    [history] = shown["histories"]
    assert (history["workflow_type"], history["result"], history["divergence"]) == ("Order", "matches", None)
    [warning] = history["warnings"]
    assert (warning["kind"], warning["place"]) == ("timer", "worker.lua:12")
    assert warning["message"].startswith(f"event {warning['event_id']}: the timer is 5000 s")


def test_json_has_the_step_that_differs(assay: Command, recorded: tuple[Path, str]) -> None:
    result = replay(assay, recorded, '"charge", {', '"refund", {', "--json")
    assert result.returncode == 1
    [history] = json.loads(result.stdout)["histories"]
    assert history["result"] == "does not match"
    assert history["divergence"]["history"] == {"where": "event 5", "step": "activity 'charge'"}
    assert history["divergence"]["script"] == {"where": "worker.lua:10", "step": "activity 'refund'"}
