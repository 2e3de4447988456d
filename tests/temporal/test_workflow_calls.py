"""`assay workflow start, signal, …`: on a real server, with the connection and the codec of a script."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from command import read_until
from temporal_script import Script

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
WORKER = """
temporal.worker({
  task_queue = "QUEUE",
  codec = CODEC,
  activities = {
    refuse = function(word)
      error({ type = "NO", message = "not " .. word, details = { word }, non_retryable = true })
    end,
  },
  workflows = {
    Greeting = function(ctx, input, second)
      ctx:upsert_memo({ who = input.name })
      ctx:register_query("stage", function(x) return { stage = "waiting", x = x } end)
      ctx:register_update("add", function(n) return n + 1 end)
      return { said = "Hi " .. input.name, reply = ctx:wait_signal("reply"), second = second }
    end,
    Fails = function(ctx) ctx:execute_activity("refuse", "today") end,
    Waits = function(ctx) ctx:sleep(1000) end,
  },
})
print("polling")
"""
CODECS = ["nil", f'{{ type = "aes-gcm", current = "one", keys = {{ one = "{KEY}" }} }}']


def call(lua: Script, *arguments: str, code: int = 0, stdin: str = "") -> str:
    """Run a command of `assay workflow`; returns what it prints, an error without its prefix."""
    result: subprocess.CompletedProcess[str] = lua.command.run("workflow", *arguments, input=stdin)
    assert "Traceback" not in result.stderr
    assert result.returncode == code, result.stdout + result.stderr
    return (result.stdout if result.stdout else result.stderr.removeprefix("assay: ")).removesuffix("\n")


@contextmanager
def working(lua: Script, name: str, codec: str = "nil") -> Iterator[str]:
    """Run the worker; gives its script."""
    script = lua.command.script(WORKER.replace("QUEUE", name).replace("CODEC", codec), "worker.lua")
    with lua.command.started(script) as process:
        read_until(process, "polling")
        yield script


@pytest.mark.parametrize("codec", CODECS, ids=["plain", "encrypted"])
def test_a_workflow_from_its_start_to_its_result(lua: Script, name: str, codec: str) -> None:
    with working(lua, name, codec) as script:
        started = json.loads(
            call(lua, "start", "Greeting", script, "--id", name, "-i", '{ name = "Ada" }', "-i", "[1, 2]", "--json")
        )
        assert started["workflow_id"] == name
        assert call(lua, "query", name, "stage", script, "-i", "5", "--json") == '{"stage": "waiting", "x": 5}'
        assert call(lua, "update", name, "add", script, "--input", "40 + 1") == "42"
        shown = call(lua, "describe", name, script)
        assert shown.splitlines()[0] == f"Greeting {name}  running"
        assert 'memo who            "Ada"' in shown
        assert call(lua, "signal", name, "reply", script, "-i", "-", stdin='"thanks"') == f"sent reply to {name}"
        expected = {"said": "Hi Ada", "reply": "thanks", "second": [1, 2]}
        assert json.loads(call(lua, "result", name, script)) == expected
        assert json.loads(call(lua, "result", name, script, "--json")) == expected


def test_encrypted_payloads_stay_encrypted_without_the_script(lua: Script, name: str) -> None:
    with working(lua, name, CODECS[1]) as script:
        call(lua, "start", "Greeting", script, "--id", name, "-i", '{"name": "Ada"}')
        assert call(lua, "query", name, "stage", script).startswith("{")
        assert call(lua, "query", name, "stage", code=1).endswith("to decrypt it; pass the script that has it")
        assert "memo who            (not readable)" in call(lua, "describe", name)
        (row,) = json.loads(call(lua, "list", "--query", f"WorkflowId = '{name}'", "--json"))
        assert (row["workflow_id"], row["memo"]) == (name, {"who": "(not readable)"})


def test_a_failure(lua: Script, name: str) -> None:
    with working(lua, name) as script:
        failed = lua.command.run("workflow", "start", "Fails", script, "--id", name, "--wait")
        assert (failed.stdout, failed.returncode) == ("", 1)
        assert failed.stderr == f"started {name}\nassay: activity 'refuse' failed: not today\n"
        error = json.loads(call(lua, "result", name, script, "--json", code=1))["error"]
        assert (error["kind"], error["type"], error["details"]) == ("activity", "NO", ["today"])
        assert error["message"] == "activity 'refuse' failed: not today"


def test_ends(lua: Script, name: str) -> None:
    with working(lua, name) as script:
        for end, answer in (("cancel", "requested cancellation of {}"), ("terminate", "terminated {}")):
            workflow = f"{name}-{end}"
            call(lua, "start", "Waits", script, "--id", workflow)
            assert call(lua, "result", workflow, "--timeout", "0.1", code=1).startswith(
                "timed out after 0.1 s: workflow "
            )
            assert call(lua, end, workflow, "--reason", "enough") == answer.format(workflow)
        assert call(lua, "result", f"{name}-cancel", code=1) == f"workflow '{name}-cancel' was cancelled"
        terminated = call(lua, "result", f"{name}-terminate", code=1)
        assert terminated == f"workflow '{name}-terminate' was terminated: enough"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("start", "Greting", "worker.lua"), "the script has no workflow 'Greting' (did you mean 'Greeting'?)"),
        (("start", "Greeting"), "the task queue is unknown: pass a script with a worker, or --task-queue"),
        (
            ("signal", "x", "go", "-i", "thanks"),
            "the input thanks is neither JSON nor Lua; a string needs quotes: '\"thanks\"'",
        ),
        (("result", "missing-workflow"), "workflow not found for ID: missing-workflow"),
        (("describe", ""), "bad option 'workflow_id' (expected a non-empty string)"),
        (("list", "--query", "Nope ="), "invalid query: malformed SQL query"),
        (("list", "missing.lua"), "cannot read missing.lua: No such file or directory"),
    ],
)
def test_mistakes(lua: Script, name: str, arguments: tuple[str, ...], message: str) -> None:
    lua.command.script(WORKER.replace("QUEUE", name).replace("CODEC", "nil"), "worker.lua")
    assert call(lua, *arguments, code=1).startswith(message)


def test_a_list(lua: Script, name: str) -> None:
    with working(lua, name) as script:
        call(lua, "start", "Waits", script, "--id", name)
        call(lua, "terminate", name)
        query = f"WorkflowId = '{name}' AND ExecutionStatus = 'Terminated'"
        while (shown := call(lua, "list", "--query", query)) == "no workflows":
            pass  # the list lags behind
    assert shown.startswith(f"terminated  {name}  Waits  2")
