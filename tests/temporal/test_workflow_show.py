"""`assay workflow show`: runs as timelines, with the lines of the script that caused their steps."""

from __future__ import annotations

import itertools
import json
import re
import uuid
from pathlib import Path

import pytest

from command import Command, read_until
from temporal_script import Script
from terminal import terminal

HISTORIES = Path(__file__).parent.parent / "histories"
STEPS = HISTORIES / "steps"

WORKER = """
temporal.worker({
  task_queue = arg[1] or "shown",
  codec = CODEC,
  activities = {
    prepare = function(input) return { ok = input } end,
    deploy = function(input) error("DENIED: not today") end,
  },
  workflows = {
    Release = function(ctx, input)
      ctx:register_update("note", function(text) return #text end)
      local prepared = ctx:execute_activity("prepare", input)
      ctx:side_effect(function() return 7 end)
      if ctx:patched("announce") then
        ctx:sleep(0.01)
      end
      local approval = ctx:wait_signal("approve", { timeout = 86400 })
      ctx:execute_activity("deploy", approval, { retry_policy = { initial_interval = 3600 } })
    end,
  },
})
print("polling")
"""
KEYS = """{ type = "aes-gcm", current = "one", keys = { one = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" } }"""
START = """
local client = temporal.connect({ codec = CODEC })
client:start_workflow({ task_queue = arg[1], workflow_type = "Release", workflow_id = arg[1], input = "v1" })
assert.eq(client:update_workflow({ workflow_id = arg[1], update_name = "note", input = "abc" }), 3)
local function timers()
  local count = 0
  for _, event in ipairs(client:fetch_history(arg[1]).events) do
    count = count + (event.eventType == "EVENT_TYPE_TIMER_STARTED" and 1 or 0)
  end
  return count
end
while timers() < 2 do
  sleep(0.05)
end
client:signal_workflow({ workflow_id = arg[1], signal_name = "approve", input = { user = "jane" } })
while (client:describe_workflow(arg[1]).pending_activities[1] or {}).last_failure == nil do
  sleep(0.05)
end
"""


def line_with(shown: str, *parts: str) -> str:
    """The first line with all these strings, and its continuation lines."""
    lines = shown.splitlines()
    at = next((i for i, line in enumerate(lines) if all(part in line for part in parts)), None)
    assert at is not None, f"{parts} in:\n{shown}"
    more = itertools.takewhile(lambda line: line.startswith(" " * 20), lines[at + 1 :])
    return "\n".join([lines[at], *more])


@pytest.fixture(scope="module", params=["nil", KEYS], ids=["plain", "encrypted"])
def release(
    request: pytest.FixtureRequest, temporal_server: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Script, str]:
    """A run that waits for the next attempt of an activity, and its worker's script."""
    lua = Script(Command(tmp_path_factory.mktemp("shown")), temporal_server)
    name = f"shown-{uuid.uuid4().hex[:8]}"
    lua.command.script(WORKER.replace("CODEC", request.param), "worker.lua")
    with lua.command.started("worker.lua", name) as process:
        read_until(process, "polling")
        started = lua.run(START.replace("CODEC", request.param), name)
        assert started.returncode == 0, started.stderr
    return lua, name


def test_a_run_is_shown_with_its_lines(release: tuple[Script, str]) -> None:
    lua, name = release
    result = lua.command.run("workflow", "show", name, "worker.lua")
    assert (result.returncode, result.stderr) == (0, "")
    shown = result.stdout
    assert shown.startswith(f"Release {name}  running\nrun ")
    assert "\x1b" not in shown
    assert re.match(r" +0\.000s +· start \"v1\"$", line_with(shown, "· start"))
    assert re.fullmatch(
        r" +\d+\.\d{3}s +\d+\.\d{3}s  ✓ activity prepare \"v1\" → \{\"ok\": \"v1\"\}\n"
        r" +worker\.lua:12  local prepared = ctx:execute_activity\(\"prepare\", input\)",
        line_with(shown, "activity prepare"),
    )
    assert "worker.lua:13  ctx:side_effect" in line_with(shown, "✓ side effect → 7")
    assert "worker.lua:14  if ctx:patched" in line_with(shown, "· patch announce")
    assert "worker.lua:15  ctx:sleep(0.01)" in line_with(shown, "✓ timer 0.010s")
    assert '✓ update note "abc" → 3' in shown
    assert '· signal approve {"user": "jane"}' in shown
    assert "worker.lua:17  local approval" in line_with(shown, "– timer 1d00h cancelled")
    deploy = line_with(shown, "… activity deploy (waiting for its next attempt), attempt 2")
    assert "DENIED: not today" in deploy
    assert "worker.lua:18  ctx:execute_activity" in deploy
    assert "\nwaiting for:\n  activity 'deploy'\n      worker.lua:18: in function" in shown


def test_without_a_script_there_are_no_lines(release: tuple[Script, str]) -> None:
    lua, name = release
    result = lua.command.run("workflow", "show", name, "--address", lua.address, "--namespace", "default")
    assert (result.returncode, result.stderr) == (0, "")
    assert "✓ activity prepare" in result.stdout
    assert "worker.lua" not in re.sub(r"worker\.lua:\d+: DENIED", "", result.stdout)
    if "(encrypted)" in result.stdout:
        assert "jane" not in result.stdout


def test_a_missing_key_is_reported(release: tuple[Script, str]) -> None:
    lua, name = release
    text = (lua.folder / "worker.lua").read_text()
    if KEYS not in text:
        return
    result = lua.command.run("workflow", "show", name, lua.command.script(text.replace(KEYS, "nil"), "keyless.lua"))
    assert result.stderr == (
        "assay: keyless.lua: the run cannot continue: a payload is encrypted with the key 'one': "
        "set the option 'codec' to decrypt it\n"
    )


def test_a_script_that_does_not_match_is_reported(release: tuple[Script, str]) -> None:
    lua, name = release
    text = (lua.folder / "worker.lua").read_text().replace('"prepare", input', '"deploy", input')
    result = lua.command.run("workflow", "show", name, lua.command.script(text, "changed.lua"))
    assert "✓ activity prepare" in result.stdout
    assert result.stderr.startswith("assay: changed.lua does not match this history, so lines are missing: Activity")
    assert result.returncode == 0


def test_the_output_fits_a_terminal(release: tuple[Script, str]) -> None:
    lua, name = release
    with terminal(lua.command, "workflow", "show", name, "worker.lua", columns=80) as screen:
        assert screen.wait() == 0
        lines = screen.shown.splitlines()
    assert any("✓ activity prepare" in line for line in lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("columns", [80, 40])
def test_long_names_and_values_are_cut(assay: Command, columns: int) -> None:
    [history] = STEPS.glob("Children/*.json")
    with terminal(assay, "workflow", "show", str(history), str(STEPS / "worker.lua"), columns=columns) as screen:
        assert screen.wait() == 0
        lines = screen.shown.splitlines()
    assert any("✗ child workflow" in line for line in lines)
    assert max(map(len, lines[3:])) <= max(columns, 43)


@pytest.mark.parametrize(
    ("arguments", "text", "code"),
    [
        (["nobody"], "assay: there is no workflow 'nobody' in the namespace 'default'", 1),
        (["nobody.json"], "in the namespace 'default'\nThere is no file nobody.json either.", 1),
        (["nobody", "--run-id", str(uuid.uuid4())], "with the run id '", 1),
        (["nobody", "--run-id", "x"], "assay: server error: Invalid RunId.", 1),
        (["nobody", "--address", "127.0.0.1:1"], "assay: workflow show: cannot connect to the Temporal server at ", 1),
        (["script.json"], "assay: script.json is not JSON", 1),
        (["script.json", "--namespace", "x"], "a history from a file", 2),
        ([], "Missing argument 'WORKFLOW'", 2),
    ],
)
def test_histories_that_cannot_be_shown(lua: Script, arguments: list[str], text: str, code: int) -> None:
    lua.command.script("x", "script.json")
    result = lua.command.run("workflow", "show", *arguments)
    assert text in result.stderr
    assert (result.stdout, result.returncode) == ("", code)


def test_a_history_file_and_json(assay: Command) -> None:
    [history] = STEPS.glob("Children/*.json")
    result = assay.run("workflow", "show", str(history), str(STEPS / "worker.lua"), "--json")
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert (shown["workflow_type"], shown["status"], shown["waits"]) == ("Children", "completed", "")
    entries = {entry["kind"]: entry for entry in reversed(shown["entries"])}
    assert entries["child workflow"]["result"] == [["hello", 1, 2]]
    assert entries["child workflow"]["place"].endswith("worker.lua:45")
    assert entries["signal to another workflow"]["place"].endswith("worker.lua:50")
    assert all(entry["at"] >= 0 for entry in shown["entries"])


@pytest.mark.parametrize("path", sorted(HISTORIES.glob("*/*/*.json")), ids=lambda path: path.parent.name)
def test_every_recorded_history_can_be_shown(assay: Command, path: Path) -> None:
    result = assay.run("workflow", "show", str(path), str(path.parent.parent / "worker.lua"))
    assert (result.returncode, result.stderr) == (0, "")
    for line in result.stdout.splitlines():
        if re.match(r"[ .0-9a-z]+  . (activity|child workflow) ", line):
            assert "worker.lua:" in line_with(result.stdout, line)


def test_values_cannot_steer_the_terminal(assay: Command) -> None:
    [path] = STEPS.glob("Wrong/*.json")
    history = json.loads(path.read_text(encoding="utf-8"))
    history["events"][0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"] = "a\x1b[31mb"
    assay.script(json.dumps(history), "bad.json")
    assert "a\ufffd[31mb" in assay.run("workflow", "show", "bad.json").stdout
