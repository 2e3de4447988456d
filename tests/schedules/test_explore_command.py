"""`test.explore` and `assay test --explore`, by the real command."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from command import Command

RACES = Path(__file__).parent.parent.parent / "examples" / "races"
PROMOTION = RACES.parent / "promotion" / "worker.lua"

LOST = """
test.explore("no signal is lost", {
  workflows = {
    Collect = function(ctx)
      local first = ctx:wait_signal("item", { timeout = 60 })
      ctx:execute_activity("store", first)
      return 1
    end,
  },
  activities = { store = function() return true end },
  signals = { { name = "item", input = "x", at_most = 2 } },
}, function(run) assert.eq(run.status, "completed") end)
"""


def test_a_workflow_of_a_script_is_explored(assay: Command) -> None:
    assay.script(
        f"""
        test.explore("the promotion ends", {{
          script = "{PROMOTION}",
          input = {{ version = "v1", target = "prod" }},
          activities = {{
            update_gitops = function() return {{ short_id = "abc" }} end,
            notify = function() end,
          }},
          signals = {{ {{ name = "approve", input = {{ user = "jane" }} }} }},
        }}, function(run)
          assert.eq(run.status, "completed")
          if run.result.status == "done" then
            assert.eq(run.result, {{ status = "done", commit_id = "abc", approved_by = "jane" }})
          end
        end)
        """,
        "some_test.lua",
    )
    result = assay.run("test", "--explore", "40")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.search(r"ok    the promotion ends \(.* s\)\n        40 schedules passed\n", result.stdout)
    assert re.search(r"\d+ pairs of events, \d+ of them seen in both orders", result.stdout)


def test_a_failure_shows_a_timeline_and_can_be_repeated_from_its_file(assay: Command) -> None:
    assay.script(LOST, "some_test.lua")
    result = assay.run("test", "--explore", "200", "--seed", "3")
    assert result.returncode == 1
    assert "workflow 'Collect' ended without receiving signal 'item' (1)" in result.stdout
    assert re.search(r"        the schedule:\n          signal item \d: \d+\n", result.stdout)
    assert re.search(r"· signal item \"x\"", result.stdout)
    assert re.search(r"some_test\.lua:\d+  local first = ctx:wait_signal", result.stdout)
    written = json.loads((assay.folder / "no-signal-is-lost.schedule.json").read_text())
    assert (written["format"], written["file"], written["test"]) == (
        "assay schedule 1",
        "some_test.lua",
        "no signal is lost",
    )
    again = assay.run("test", "--schedule", "no-signal-is-lost.schedule.json")
    assert again.returncode == 1
    assert "ended without receiving signal 'item' (1)" in again.stdout


def test_the_history_of_a_schedule_that_fails_is_one_like_a_servers(assay: Command) -> None:
    shutil.copytree(RACES, assay.folder / "races")
    assay.run("test", "--explore", "100", "--filter", "cancel", "races/faulty.explore.lua")
    history = "races/nothing-is-deployed-after-a-cancel.history.json"
    replayed = assay.run("replay", "races/faulty.lua", history)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert assay.run("replay", "races/fixed.lua", history).returncode == 1
    shown = assay.run("workflow", "show", history, "races/faulty.lua")
    assert "activity deploy" in shown.stdout, shown.stdout + shown.stderr


def test_coverage_of_schedules_is_shown(assay: Command) -> None:
    assay.script(
        """
        test.explore("both orders", {
          workflows = {
            Race = function(ctx)
              if ctx:wait_signal("go", { timeout = 5 }) then
                return "signal"
              end
              ctx:poll_signal("go")
              return "timer"
            end,
          },
          signals = { { name = "go" } },
        }, function() end)
        """,
        "some_test.lua",
    )
    result = assay.run("test", "--explore", "100")
    assert result.returncode == 0, result.stdout
    assert "seen in both orders\n          signal go / timer 1 fired\n" in result.stdout
    assert "lines that ran under some schedules only: some_test.lua 6, 8-9\n" in result.stdout


def test_a_schedule_passes_once_the_workflow_is_fixed(assay: Command) -> None:
    assay.script(LOST, "some_test.lua")
    assert assay.run("test", "--explore", "200").returncode == 1
    drained = 'return 1 + (ctx:poll_signal("item") and 1 or 0)'
    assay.script(LOST.replace("return 1\n", f"{drained}\n"), "some_test.lua")
    again = assay.run("test", "--schedule", "no-signal-is-lost.schedule.json")
    assert (again.returncode, "the schedule passes" in again.stdout) == (0, True)


def test_an_invariant_is_checked(assay: Command) -> None:
    assay.script(
        """
        test.explore("never below zero", {
          workflows = {
            Count = function(ctx)
              local count = 1
              ctx:register_query("count", function() return count end)
              ctx:register_update("take", function() ctx:sleep(1) count = count - 1 end)
              ctx:sleep(60)
            end,
          },
          updates = { { name = "take", at_most = 2 } },
          always = function(state) assert(state:query("count") >= 0, "below zero") end,
        }, function() end)
        """,
        "some_test.lua",
    )
    result = assay.run("test", "--explore", "200")
    assert (result.returncode, "below zero" in result.stdout) == (1, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{}", "nothing to explore: set 'script', 'workflows' or both"),
        ("{ workflows = { A = f, B = f } }", "'workflow_type' is required (one of: A, B)"),
        ("{ workflows = { A = f }, workflow_type = 'C' }", "no workflow 'C' (registered: A)"),
        ("{ workflows = { A = g } }", "activity 'gone' is neither in the script nor in 'activities'"),
        (
            "{ workflows = { A = g }, activities = { gone = function() sleep(1) end } }",
            "activity 'gone' waits in sleep: functions of a simulation must not wait",
        ),
        (
            "{ workflows = { A = f }, signals = { { name = 's', at_least = 2, at_most = 1 } } }",
            "signal 's': 'at_most' must not be less than 'at_least'",
        ),
    ],
)
def test_a_workflow_that_cannot_be_explored_is_an_error(assay: Command, options: str, message: str) -> None:
    assay.script(
        f"""
        local function f() end
        local function g(ctx) ctx:execute_activity("gone") end
        test.explore("cannot", {options}, function() end)
        """,
        "some_test.lua",
    )
    result = assay.run("test")
    assert result.returncode == 1
    assert message in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_only_explorations_run_with_explore(assay: Command) -> None:
    assay.script('test("usual", function() error("it ran") end)\n' + LOST, "some_test.lua")
    result = assay.run("test", "--explore", "1")
    assert (result.returncode, "it ran" in result.stdout) == (0, False)


def test_a_file_that_is_no_schedule_is_refused(assay: Command) -> None:
    (assay.folder / "some.json").write_text("{}")
    result = assay.run("test", "--schedule", "some.json")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "some.json is not a schedule: its 'format' must be 'assay schedule 1'" in result.stderr


def test_each_faulty_workflow_is_broken_by_a_short_schedule(assay: Command) -> None:
    shutil.copytree(RACES, assay.folder / "races")
    result = assay.run("test", "--explore", "200", "races/faulty.explore.lua")
    assert "0 passed, 6 failed" in result.stdout
    files = sorted((assay.folder / "races").glob("*.schedule.json"))
    assert len(files) == 6
    for file in files:
        assert 1 <= len(json.loads(file.read_text())["events"]) <= 10


def test_each_fixed_workflow_passes(assay: Command) -> None:
    shutil.copytree(RACES, assay.folder / "races")
    result = assay.run("test", "--explore", "150", "races")
    assert "6 passed, 0 failed" in result.stdout, result.stdout


def test_the_check_of_a_script_looks_into_explorations(assay: Command) -> None:
    assay.script(
        """
        test.explore("misspelled", {
          workflows = { W = function(ctx) ctx:sleap(1) end },
        }, function() end)
        """,
        "some_test.lua",
    )
    result = assay.run("check", "some_test.lua")
    assert (result.returncode, "sleap" in result.stdout) == (1, True), result.stdout + result.stderr
