"""Functions that a workflow must not call: each fails with a message that names it and the alternative."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.driver import Drive, result

USE_AN_ACTIVITY = "not allowed in a workflow: workflow code cannot do I/O; use an activity"

FORBIDDEN = {
    "HTTP requests": ('http.get("http://127.0.0.1:1")', f"http.get: {USE_AN_ACTIVITY}"),
    "HTTP servers": ("http.serve(0, {})", f"http.serve: {USE_AN_ACTIVITY}"),
    "files": ('fs.write("victim", "x")', f"fs.write: {USE_AN_ACTIVITY}"),
    "environment variables": ('env.get("HOME")', f"env.get: {USE_AN_ACTIVITY}"),
    "environment variables by Lua's own function": (
        'os.getenv("HOME")',
        "os.getenv: not allowed in a workflow: the environment differs between machines; read it in an activity",
    ),
    "sleep": ("sleep(1)", "sleep: not allowed in a workflow: workflow code cannot do I/O; use ctx:sleep"),
    "tasks of the script": ("async.spawn(print)", "async.spawn: not allowed in a workflow: use ctx:spawn"),
    "the end of the process": ("os.exit(3)", "os.exit: not allowed in a workflow: return from the workflow function"),
    "Temporal clients": ("temporal.connect()", f"temporal.connect: {USE_AN_ACTIVITY}"),
    "starts of workflows": ("temporal.start_workflow({})", f"temporal.start_workflow: {USE_AN_ACTIVITY}"),
    "schedules": ("temporal.schedules:list()", f"temporal.schedules:list: {USE_AN_ACTIVITY}"),
    "modules that were not loaded before": (
        'require("nope")',
        "require: module 'nope' was not loaded when the worker was created: require it outside the workflow",
    ),
}


@pytest.mark.parametrize(("call", "message"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_call_that_a_workflow_must_not_make(drive: Drive, call: str, message: str) -> None:
    driver = drive(f"return function() return {{ pcall(function() {call} end) }} end")
    assert result(driver.start()) == [False, f"workflow.lua:1: {message}"]


def test_a_forbidden_call_has_no_effect(drive: Drive, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    driver = drive(f"return function() pcall(fs.write, {str(victim)!r}, 'x') end")
    driver.start()
    assert not victim.exists()
