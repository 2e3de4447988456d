"""`assay replay`: histories of a real server against a script, as it was and changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from command import Command, wait_for, without_lifecycle
from temporal_script import Script
from terminal import terminal

WORKER = """
local client = temporal.connect()
local names = { "first", "second" }
temporal.worker({
  task_queue = arg[1] or "replayed",
  activities = { first = function() return 1 end, second = function() return 2 end, third = function() return 3 end },
  workflows = {
    Stepwise = function(ctx)
      local results = {}
      for i, name in ipairs(names) do
        results[i] = ctx:execute_activity(name)
      end
      ctx:sleep(0.01)
      results[3] = ctx:side_effect(function() return crypto.random(4) end)
      return results
    end,
  },
})
print("polling")
client:start_workflow({ task_queue = arg[1], workflow_type = "Stepwise", workflow_id = arg[1] })
client:get_result({ workflow_id = arg[1] })
os.exit(0)
"""
OTHER_STEP = WORKER.replace('"second" }', '"third" }')
NO_TIMER = WORKER.replace("ctx:sleep(0.01)", "")
ONE_MORE = WORKER.replace("return results", "ctx:execute_activity('third') return results")
BUG = WORKER.replace("ctx:sleep(0.01)", "local x = results.none.more")


@pytest.fixture(scope="module")
def history(temporal_server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The history of one run of `WORKER`."""
    lua = Script(Command(tmp_path_factory.mktemp("recorded")), temporal_server)
    name = f"recorded-{os.getpid()}"
    result = lua.run(WORKER, name)
    assert (result.stdout, without_lifecycle(result.stderr), result.returncode) == ("polling\n", [], 0)
    listed = ("workflow", "list", "--query", f"WorkflowId = '{name}' AND ExecutionStatus = 'Completed'")
    wait_for(lambda: bool(lua.cli(*listed)))  # lists lag behind
    path = lua.folder / "history.json"
    path.write_text(json.dumps(lua.cli("workflow", "show", "--workflow-id", name)), encoding="utf-8")
    return path


def replay(assay: Command, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return assay.run("replay", assay.script(text, "worker.lua"), *arguments)


def test_the_same_script_matches(assay: Command, history: Path) -> None:
    result = replay(assay, WORKER, str(history))
    assert (result.stdout, result.stderr, result.returncode) == ("1 history replayed: it matches\n", "", 0)


@pytest.mark.parametrize(
    ("changed", "expected", "actual"),
    [
        (OTHER_STEP, "event 11", ["worker.lua:11", "activity 'third'"]),
        (NO_TIMER, "event 17", ["the workflow"]),
        (ONE_MORE, "event ", ["worker.lua:15", "activity 'third'"]),
        (BUG, "event 17", ["the workflow failed: worker.lua:13: attempt to index a nil value (field 'none')"]),
    ],
    ids=["another activity", "a step less", "a step more", "a bug"],
)
def test_a_changed_script_is_shown_where_it_parts(
    assay: Command, history: Path, changed: str, expected: str, actual: list[str]
) -> None:
    result = replay(assay, changed, str(history))
    assert result.stdout.endswith("1 history replayed: it does not match\n")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Stepwise recorded-")
    gone = next(line for line in lines if line.startswith("  -  "))
    come = next(line for line in lines if line.startswith("  +  "))
    assert expected in gone
    if changed is not NO_TIMER:  # the local activity of its side effect is what comes next
        assert all(part in come for part in actual)
    assert (result.stderr, result.returncode) == ("", 1)
    assert "Traceback" not in result.stdout


def test_a_run_that_is_stuck_is_not_a_mismatch(assay: Command, history: Path) -> None:
    suspended = BUG.replace("temporal.worker({", "temporal.worker({ on_workflow_error = 'suspend',")
    problem = "the run cannot continue: worker.lua:13: attempt to index a nil value (field 'none')"
    result = replay(assay, suspended, str(history))
    assert f"  {problem}\n" in result.stdout
    assert result.stdout.endswith("1 history replayed: it cannot continue\n")
    assert result.returncode == 1
    both = replay(assay, suspended, str(history), str(history))
    assert both.stdout.endswith("2 histories replayed: 2 cannot continue\n")
    shown = assay.run("workflow", "show", str(history), "worker.lua")
    assert (shown.stderr, shown.returncode) == (f"assay: worker.lua: {problem}\n", 0)


def test_a_workflow_that_the_script_has_not(assay: Command, history: Path) -> None:
    result = replay(assay, WORKER.replace("Stepwise =", "Renamed ="), str(history))
    assert "the script has no workflow 'Stepwise' (it has: Renamed)" in result.stdout
    assert result.returncode == 1


def test_a_local_activity_that_the_script_has_no_more(assay: Command) -> None:
    recorded = Path(__file__).parent.parent / "histories" / "steps"
    without = """
        local make = temporal.worker
        function temporal.worker(options) options.activities = {} return make(options) end
    """
    result = replay(assay, without + (recorded / "worker.lua").read_text(encoding="utf-8"), str(recorded / "Local"))
    assert (result.returncode, result.stdout) == (0, "1 history replayed: it matches\n"), result.stderr


def test_folders_and_other_forms_are_read(assay: Command, history: Path) -> None:
    folder = assay.folder / "histories"
    folder.mkdir()
    events = json.loads(history.read_text(encoding="utf-8"))["events"]
    (folder / "events.json").write_text(json.dumps(events), encoding="utf-8")
    (folder / "nested.json").write_text(json.dumps({"history": {"events": events}}), encoding="utf-8")
    (folder / "open.json").write_text(json.dumps({"events": events[:8]}), encoding="utf-8")
    result = replay(assay, WORKER, "histories", str(history))
    assert (result.stdout, result.stderr, result.returncode) == ("4 histories replayed: all match\n", "", 0)
    result = replay(assay, OTHER_STEP, "histories")
    assert result.stdout.count("  --- history") == 1
    assert result.stdout.endswith("3 histories replayed: 2 do not match\n")
    result = replay(assay, OTHER_STEP, str(history), "histories/open.json")
    assert result.stdout.endswith("2 histories replayed: 1 does not match\n")


def test_patterns_are_read(assay: Command, history: Path) -> None:
    (assay.folder / "deep" / "er").mkdir(parents=True)
    for name in ("deep/a.json", "deep/er/b.json", "deep/er/note.txt"):
        (assay.folder / name).write_bytes(history.read_bytes())
    assert replay(assay, WORKER, "deep/**/*.json").stdout == "2 histories replayed: all match\n"
    assert replay(assay, WORKER, "deep/*").stdout == "2 histories replayed: all match\n"
    assert "cannot read none*.json" in replay(assay, WORKER, "none*.json").stderr


def test_a_file_may_have_any_name(assay: Command) -> None:
    recorded = Path(__file__).parent.parent / "histories" / "steps"
    [children] = recorded.glob("Children/*.json")  # it generates an id
    (assay.folder / "renamed.json").write_bytes(children.read_bytes())
    result = replay(assay, (recorded / "worker.lua").read_text(encoding="utf-8"), "renamed.json")
    assert result.stdout == "1 history replayed: it matches\n", result.stdout


def test_another_id_of_a_child_is_shown(assay: Command) -> None:
    recorded = Path(__file__).parent.parent / "histories" / "steps"
    text = (recorded / "worker.lua").read_text(encoding="utf-8").replace('"-child"', '"-other"')
    result = replay(assay, text, str(recorded / "Children"))
    assert re.search(r"^  -  event 5 +child workflow 'Child': \S+-child$", result.stdout, re.MULTILINE), result.stdout
    assert re.search(r"^  \+  worker\.lua:45 +child workflow 'Child': \S+-other$", result.stdout, re.MULTILINE)


def test_histories_come_from_a_server(assay: Command, history: Path, temporal_server: str) -> None:
    workflow_id = f"recorded-{os.getpid()}"
    query = ("--query", f"WorkflowId = '{workflow_id}'", "--address", temporal_server, "--namespace", "default")
    result = replay(assay, WORKER, *query)
    assert (result.stdout, result.stderr, result.returncode) == ("1 history replayed: it matches\n", "", 0)
    assert replay(assay, OTHER_STEP, *query).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "expected either HISTORY arguments or --query"),
        (["x.json", "--query", "true"], "expected either HISTORY arguments or --query"),
        (["x.json", "--address", "h:1"], "require --query"),
        (["missing.json"], "cannot read missing.json: No such file or directory"),
        (["worker.lua"], "worker.lua is not JSON"),
        (["."], "no .json file in the folder ."),
        (
            ["--query", "true", "--address", "127.0.0.1:1"],
            "assay: replay: cannot connect to the Temporal server at 127.0.0.1:1",
        ),
    ],
)
def test_a_wrong_call_is_no_divergence(assay: Command, arguments: list[str], text: str) -> None:
    result = replay(assay, WORKER, *arguments)
    assert text in result.stderr
    assert (result.stdout, result.returncode) == ("", 2)


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("x =", "worker.lua:1: unexpected symbol"),
        ("error('boom')", "worker.lua:1: boom"),
        ("print('nothing')", "worker.lua does not start a worker"),
        ("temporal.worker({ task_queue = 'q', activitys = {} })", "unknown option 'activitys'"),
    ],
)
def test_a_script_that_cannot_be_read(assay: Command, history: Path, script: str, text: str) -> None:
    result = replay(assay, script, str(history))
    assert text in result.stderr
    assert "Traceback" not in result.stderr
    assert (result.stdout, result.returncode) == ("", 2)


def test_json_that_is_no_history(assay: Command) -> None:
    assay.script('{"events": [{"eventId": "x"}]}', "other.json")
    result = replay(assay, WORKER, "other.json")
    assert result.stderr == "assay: other.json is not the history of a workflow\n"
    assert result.returncode == 2


INCOMPLETE = [
    (("8",), ": the history is incomplete: event 8 is missing"),
    (("4", "renumber"), ": the history is incomplete: the workflow task of event 3 is not closed"),
    (("1",), " is not the history of a workflow"),
]


@pytest.mark.parametrize(("how", "text"), INCOMPLETE, ids=["a gap", "a task without an end", "no beginning"])
def test_a_history_that_is_not_complete_is_refused(
    assay: Command, history: Path, how: tuple[str, ...], text: str
) -> None:
    document = json.loads(history.read_text())
    gone, *renumber = how
    document["events"] = [event for event in document["events"] if event["eventId"] != gone]
    if renumber:
        for number, event in enumerate(document["events"], 1):
            event["eventId"] = str(number)
    part = assay.folder / "part.json"
    part.write_text(json.dumps(document))
    result = replay(assay, WORKER, str(part))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"assay: {part}{text}\n"


def test_progress_is_shown_on_a_terminal_only(assay: Command, history: Path) -> None:
    folder = assay.folder / "many"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number}.json").write_bytes(history.read_bytes())
    assay.script(OTHER_STEP, "worker.lua")
    with terminal(assay, "replay", "worker.lua", "many", columns=80) as screen:
        screen.read_until("replaying")
        screen.read_until("/200")
        screen.read_until("do not match")
        assert screen.wait() == 1
        assert screen.shown.endswith("200 histories replayed: 200 do not match\n")
        assert "… and 179 more\n" in screen.shown
    result = assay.run("replay", "worker.lua", "many")
    assert (result.stderr, result.returncode) == ("", 1)
    assert "\x1b" not in result.stdout


def peak(assay: Command, folder: Path) -> int:
    """The peak memory (KiB) of the replay of a folder."""
    process = subprocess.Popen(
        [assay.path, "replay", "worker.lua", str(folder)], cwd=assay.folder, env=assay.environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss


def test_memory_does_not_grow_with_the_number_of_histories(
    assay: Command, history: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assay.script(WORKER, "worker.lua")
    peaks = []
    for count in (30, 330):
        folder = assay.folder / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.json").write_bytes(history.read_bytes())
        peaks.append(peak(assay, folder))
    assert peaks[1] - peaks[0] < 6 * 1024, peaks


HOLES = """
temporal.worker({ task_queue = arg[1] or "replayed", activities = { step = print }, workflows = {
  Holes = function(ctx)
    local sum = 0
    for n = 1, 600 do
      local t = {}
      for i = 1, 64 do
        if i * n % 7 < 4 then t["k" .. i] = true end
        if i * n % 11 < 6 then t[i] = i end
        if (i + n) % 13 == 0 then t[i - 1] = nil end
      end
      sum = sum * 3 % 1000003 + #t
    end
    ctx:execute_activity("step", nil, { activity_id = "a" .. sum })
  end,
} })
print("polling")
local client = temporal.connect()
client:start_workflow({ task_queue = arg[1], workflow_type = "Holes", workflow_id = arg[1] })
client:get_result({ workflow_id = arg[1] })
os.exit(0)
"""


def test_a_length_that_depends_on_the_hash_seed_is_found(assay: Command, temporal_server: str) -> None:
    lua = Script(assay, temporal_server)
    name = f"holes-{os.getpid()}"
    assert lua.run(HOLES, name).returncode == 0
    (lua.folder / "h.json").write_text(json.dumps(lua.cli("workflow", "show", "--workflow-id", name)), encoding="utf-8")
    result = replay(assay, HOLES, "h.json")
    assert result.returncode == 1
    assert "does not match" in result.stdout
