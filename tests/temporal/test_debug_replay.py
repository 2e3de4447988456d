"""`assay debug` of the replay of a run, from the server or from a file, without executing activities."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from command import Command, read_until
from debug_client import DebugClient, RefusedError, debugging
from guide_programs import files, run
from guides import ROOT, blocks
from temporal_script import Script

WORKER = """
local function log_run(text)
  fs.write(arg[2], (fs.exists(arg[2]) and fs.read(arg[2]) or "") .. text .. "\\n")
end

temporal.worker({
  task_queue = arg[1],
  codec = CODEC,
  on_workflow_error = "suspend",
  activities = {
    build = function(input)
      log_run("build " .. input)
      return { artifact = input .. ".tar" }
    end,
    deploy = function(input)
      log_run("deploy " .. input)
      return "https://" .. input
    end,
  },
  workflows = {
    Release = function(ctx, input)
      local rounds = 0
      print("building", input)
      local built = ctx:execute_activity("build", input)
      for i = 1, 3 do
        rounds = rounds + i
        ctx:sleep(0.01)
      end
      local approval = ctx:wait_signal("approve")
      local url = ctx:execute_activity("deploy", approval.target)
      return { url = url, rounds = rounds }
    end,
    Fan = function(ctx)
      local seen = 0
      ctx:on_signal("note", function(text)
        seen = seen + #text
      end)
      local one = ctx:spawn(function()
        local built = ctx:execute_activity("build", "one")
        return built.artifact
      end)
      local two = ctx:spawn(function()
        ctx:sleep(0.05)
        return "two"
      end)
      local results = ctx:await_all({ one, two })
      ctx:wait_condition(function()
        return seen >= 3
      end)
      return results
    end,
    Broken = function(ctx)
      ctx:sleep(0.01)
      local nothing
      return nothing.field
    end,
  },
})
print("polling")
"""
CODEC = """{ type = "aes-gcm", current = "one", keys = { one = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" } }"""
WORKER = WORKER.replace("CODEC", CODEC)


def line_of(text: str) -> int:
    """The line of the worker's script that contains a string."""
    return next(number for number, line in enumerate(WORKER.splitlines(), 1) if text in line)


PRINT, BUILD, ROUNDS = line_of('print("building'), line_of("local built"), line_of("rounds = rounds")
SLEEP, WAIT, DEPLOY, RETURN = (
    line_of("ctx:sleep"),
    line_of("wait_signal"),
    line_of("local url"),
    line_of("return { url"),
)


@dataclass
class Runs:
    """A completed run and a waiting one of a stopped worker, and the file that its activities wrote."""

    lua: Script
    queue: str
    witness: Path

    @property
    def worker(self) -> str:
        """The path of the worker's script."""
        return str(self.lua.folder / "worker.lua")

    @property
    def done(self) -> str:
        """The id of the completed run."""
        return f"{self.queue}-done"

    @property
    def open(self) -> str:
        """The id of the run that waits for its signal."""
        return f"{self.queue}-open"

    def history(self, workflow_id: str) -> list[Any]:
        """The events of a run."""
        events: list[Any] = self.lua.cli("workflow", "show", "--workflow-id", workflow_id)["events"]
        return events

    def ids(self, event_type: str) -> list[int]:
        """The ids of the events of a type, such as TIMER_FIRED, in the completed run."""
        events = self.history(self.done)
        return [int(event["eventId"]) for event in events if event["eventType"] == f"EVENT_TYPE_{event_type}"]

    @contextmanager
    def debugging(self, workflow_id: str, *lines: int, **options: Any) -> Iterator[DebugClient]:
        """Debug the replay of a run, with breakpoints on some lines of the worker's script."""
        with debugging(self.lua.command) as client:
            arguments = [self.queue, str(self.witness)]
            client.launch(
                program=self.worker,
                args=arguments,
                workflowId=workflow_id,
                breakpoints={self.worker: list(lines)},
                **options,
            )
            yield client


@pytest.fixture(scope="module")
def runs(temporal_server: str, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Two runs of the release, one that fans out and one whose workflow task fails."""
    lua = Script(Command(tmp_path_factory.mktemp("debugged")), temporal_server)
    queue = f"debugged-{uuid.uuid4().hex[:8]}"
    made = Runs(lua, queue, lua.folder / "witness.txt")
    lua.command.script(WORKER, "worker.lua")
    with lua.command.started("worker.lua", queue, str(made.witness)) as process:
        read_until(process, "polling")
        result = lua.run(
            """
            local client = temporal.connect({ codec = CODEC })
            local function timers(id)
              local count = 0
              for _, event in ipairs(client:fetch_history(id).events) do
                count = count + (event.eventType == "EVENT_TYPE_TIMER_FIRED" and 1 or 0)
              end
              return count
            end
            for _, id in ipairs({ arg[1] .. "-open", arg[1] .. "-done" }) do
              client:start_workflow({ task_queue = arg[1], workflow_type = "Release", workflow_id = id, input = "v1" })
              while timers(id) < 3 do
                sleep(0.05)
              end
            end
            client:signal_workflow({ workflow_id = arg[1] .. "-done", signal_name = "approve",
              input = { target = "prod" } })
            client:get_result({ workflow_id = arg[1] .. "-done" })
            local fan, broken = arg[1] .. "-fan", arg[1] .. "-broken"
            client:start_workflow({ task_queue = arg[1], workflow_type = "Broken", workflow_id = broken })
            client:start_workflow({ task_queue = arg[1], workflow_type = "Fan", workflow_id = fan })
            client:signal_workflow({ workflow_id = fan, signal_name = "note", input = "abc" })
            client:get_result({ workflow_id = fan })
            local function has_failed()
              for _, event in ipairs(client:fetch_history(broken).events) do
                if event.eventType == "EVENT_TYPE_WORKFLOW_TASK_FAILED" then
                  return true
                end
              end
            end
            while not has_failed() do
              sleep(0.05)
            end
            """.replace("CODEC", CODEC),
            queue,
        )
        assert result.returncode == 0, result.stderr
    return made


def test_a_run_of_the_server_is_replayed_with_its_values(runs: Runs) -> None:
    with runs.debugging(runs.done, ROUNDS, DEPLOY) as client:
        stop = client.stopped()
        assert (stop["reason"], stop["line"]) == ("breakpoint", ROUNDS)
        assert client.scope(stop, "Locals")["built"] == '{artifact = "v1.tar"}'
        client.set_breakpoints(runs.worker, DEPLOY)
        stop = client.go("continue", stop)
        assert client.evaluate(stop, "approval.target .. rounds") == '"prod6"'
        stop = client.go("next", stop)
        assert stop["line"] == RETURN
        assert client.evaluate(stop, "url") == '"https://prod"'
        client.resume(stop)
        assert client.ended() == 0


def test_nothing_is_executed_again(runs: Runs) -> None:
    before, events = runs.witness.read_text(), runs.history(runs.open)
    with runs.debugging(runs.open, BUILD) as client:
        client.resume(client.stopped())
        stop = client.stopped()
        assert (stop["description"], stop["line"]) == ("end of the history", WAIT)
        client.resume(stop)
        assert client.ended() == 0
    assert runs.witness.read_text() == before
    assert runs.history(runs.open) == events


def test_output_of_a_replay_is_shown(runs: Runs) -> None:
    with runs.debugging(runs.done) as client:
        assert client.ended() == 0
        assert client.outputs("stdout") == "building\tv1\n"


def test_a_history_file_is_replayed_without_a_server(runs: Runs) -> None:
    (runs.lua.folder / "done.json").write_text(json.dumps({"events": runs.history(runs.done)}))
    with debugging(runs.lua.command) as client:
        client.launch(
            program="worker.lua",
            cwd=str(runs.lua.folder),
            args=[runs.queue, "nowhere"],
            env={"TEMPORAL_ADDRESS": "127.0.0.1:1"},
            history="done.json",
            breakpoints={runs.worker: [RETURN]},
        )
        stop = client.stopped()
        assert client.scope(stop, "Locals")["url"] == '"https://prod"'
        client.resume(stop)
        assert client.ended() == 0


def test_the_replay_stops_where_an_event_comes_from(runs: Runs) -> None:
    second = runs.ids("TIMER_STARTED")[1]
    with runs.debugging(runs.done, stopOnEvent=[second]) as client:
        stop = client.stopped()
        assert (stop["line"], stop["description"]) == (SLEEP, f"event {second}: TimerStarted")
        assert client.scope(stop, "Locals")["i"] == "2"
        client.resume(stop)
        assert client.ended() == 0


def test_the_replay_stops_where_an_event_arrives(runs: Runs) -> None:
    [completed, _] = runs.ids("ACTIVITY_TASK_COMPLETED")
    with runs.debugging(runs.done, stopOnEvent=[completed, "WorkflowExecutionSignaled"]) as client:
        stop = client.stopped()
        assert stop["description"] == f"event {completed}: ActivityTaskCompleted"
        assert client.scope(stop, "Locals")["built"] == '{artifact = "v1.tar"}'
        stop = client.go("continue", stop)
        assert stop["description"].endswith("WorkflowExecutionSignaled")
        assert stop["line"] == DEPLOY
        client.resume(stop)
        assert client.ended() == 0


def test_an_exception_filter_names_events(runs: Runs) -> None:
    filters = {"filters": [], "filterOptions": [{"filterId": "event", "condition": "timer fired"}]}
    with runs.debugging(runs.done, filters=filters) as client:
        stops = [client.stopped()]
        for _ in range(2):
            stops.append(client.go("continue", stops[-1]))
        assert [stop["description"] for stop in stops] == [f"event {n}: TimerFired" for n in runs.ids("TIMER_FIRED")]
        client.resume(stops[-1])
        assert client.ended() == 0


def test_a_function_breakpoint_names_an_event(runs: Runs) -> None:
    with runs.debugging(runs.done, PRINT) as client:
        stop = client.stopped()
        answer = client.request(
            "setFunctionBreakpoints", breakpoints=[{"name": "TimerFird"}, {"name": "WorkflowExecutionSignaled"}]
        )
        assert [item["verified"] for item in answer["breakpoints"]] == [False, True]
        assert answer["breakpoints"][0]["message"].endswith("(did you mean TimerFired?)")
        stop = client.go("continue", stop)
        assert (stop["reason"], stop["line"]) == ("function breakpoint", DEPLOY)
        client.resume(stop)
        assert client.ended() == 0


def test_a_replay_restarts(runs: Runs) -> None:
    with runs.debugging(runs.done, RETURN) as client:
        stop = client.stopped()
        client.set_breakpoints(runs.worker, BUILD)
        client.request("restart")
        stop = client.stopped()
        assert stop["line"] == BUILD
        client.resume(stop)
        assert client.ended() == 0


def test_a_restart_reads_the_changed_script(runs: Runs) -> None:
    path = str(runs.lua.folder / runs.lua.command.script(WORKER, "restarted.lua"))
    with debugging(runs.lua.command) as client:
        client.launch(program=path, args=[runs.queue, "nowhere"], workflowId=runs.done, breakpoints={path: [RETURN]})
        stop = client.stopped()
        runs.lua.command.script(WORKER.replace("local rounds = 0", "local rounds = 100"), "restarted.lua")
        client.request("restart")
        stop = client.stopped()
        assert client.scope(stop, "Locals")["rounds"] == "106"
        runs.lua.command.script("this is no Lua", "restarted.lua")
        client.request("restart")
        assert client.ended() == 1
        assert "restarted.lua:1: syntax error" in client.outputs("important")


def test_a_replay_steps_back(runs: Runs) -> None:
    with runs.debugging(runs.done, SLEEP) as client:
        assert client.event("capabilities")["capabilities"]["supportsStepBack"]
        client.resume(client.stopped())
        stop = client.stopped()
        assert client.scope(stop, "Locals")["i"] == "2"
        stop = client.go("stepBack", stop)
        assert (stop["line"], client.scope(stop, "Locals")["rounds"]) == (ROUNDS, "1")
        stop = client.go("reverseContinue", stop)
        assert (stop["line"], client.scope(stop, "Locals")["i"]) == (SLEEP, "1")
        stop = client.go("reverseContinue", stop)
        assert stop["line"] == BUILD - 2
        client.set_breakpoints(runs.worker)
        client.resume(stop)
        assert client.ended() == 0


def test_an_expression_cannot_change_what_the_run_does(runs: Runs) -> None:
    with runs.debugging(runs.done, BUILD) as client:
        stop = client.stopped()
        with pytest.raises(RefusedError, match="not allowed in a debugger expression"):
            client.evaluate(stop, 'ctx:execute_activity("deploy", "other")')
        assert client.evaluate(stop, "ctx:workflow_info().workflow_type") == '"Release"'
        client.resume(stop)
        assert client.ended() == 0


def test_a_script_that_does_not_match_the_history_is_reported(runs: Runs) -> None:
    changed = WORKER.replace('"deploy", approval', '"build", approval')
    runs.lua.command.script(changed, "changed.lua")
    with debugging(runs.lua.command) as client:
        client.launch(program=str(runs.lua.folder / "changed.lua"), args=[runs.queue, "nowhere"], workflowId=runs.done)
        stop = client.stopped()
        assert stop["reason"] == "exception"
        assert "diverges from its history" in stop["text"]
        client.resume(stop)
        assert client.ended() == 1
        assert "+  line" in client.outputs("important") or "deploy" in client.outputs("important")


def test_a_workflow_that_does_not_exist_is_an_error_of_the_launch(runs: Runs) -> None:
    with debugging(runs.lua.command) as client:
        number = client.launch(program=runs.worker, args=[runs.queue, "nowhere"], workflowId="nobody")
        with pytest.raises(RefusedError, match="there is no workflow 'nobody'"):
            client.answer(number)
        assert client.ended() == 1


def test_fibers_and_handlers_are_threads(runs: Runs) -> None:
    lines = [line_of("return built.artifact"), line_of("seen = seen + #text"), line_of("return seen >= 3")]
    with runs.debugging(f"{runs.queue}-fan", *lines) as client:
        seen: dict[int, Any] = {}
        while set(seen) != set(lines):
            stop = client.stopped()
            seen[stop["line"]] = stop
            if stop["line"] == lines[0]:
                names = {thread["id"]: thread["name"] for thread in client.request("threads")["threads"]}
                assert names[1] == "main"
                assert names[stop["threadId"]] == f"task {stop['threadId']} (worker.lua:{line_of('local one')})"
                [main] = client.request("stackTrace", threadId=1)["stackFrames"]
                assert main["line"] == line_of("await_all")
                assert client.evaluate(stop, "built.artifact") == '"one.tar"'
            elif stop["line"] == lines[1]:
                assert client.scope(stop, "Locals")["text"] == '"abc"'
            client.resume(stop)


def test_a_workflow_task_that_fails_stops_where_it_does(runs: Runs) -> None:
    with runs.debugging(f"{runs.queue}-broken") as client:
        stop = client.stopped()
        assert (stop["reason"], stop["line"]) == ("exception", line_of("return nothing.field"))
        assert client.scope(stop, "Locals") == {"ctx": "Context", "nothing": "nil"}
        client.resume(stop)
        client.ended()
        assert "the workflow task fails: " in client.outputs("important")


def test_activities_of_a_worker_are_debugged_while_it_serves(lua: Script, name: str) -> None:
    path = str(lua.folder / lua.command.script(WORKER, "worker.lua"))
    with debugging(lua.command) as client:
        line = line_of("return { artifact")
        client.launch(program=path, args=[name, str(lua.folder / "witness.txt")], breakpoints={path: [line]})
        client.event("output")
        code = f"temporal.connect({{ codec = {CODEC} }}):start_workflow({{ task_queue = '{name}', "
        code += f"workflow_type = 'Release', workflow_id = '{name}', input = 'v2' }})"
        assert lua.command.run("exec", "-e", code).returncode == 0
        stop = client.stopped()
        assert (stop["line"], client.scope(stop, "Locals")["input"]) == (line, '"v2"')
        client.request("terminate")
        assert client.ended() == 0


def test_the_guide_shows_what_a_log_point_prints(lua: Script) -> None:
    guide = "docs/debugging.md"
    assert run(lua.command, guide).returncode == 0
    configuration = json.loads(blocks(guide, "json")[0].replace("${workspaceFolder}", str(lua.folder)))
    found = re.search(r"log point in line (\d+) \(`(.+?)`\) with the message `(.+?)`", (ROOT / guide).read_text())
    assert found is not None
    assert files(guide)["total.lua"].splitlines()[int(found[1]) - 1].strip() == found[2]
    point = {"line": int(found[1]), "logMessage": found[3]}
    with debugging(lua.command) as client:
        client.launch(**configuration, breakpoints={configuration["program"]: [point]})
        assert client.ended() == 0
        assert client.outputs("console") == blocks(guide, "")[0]
