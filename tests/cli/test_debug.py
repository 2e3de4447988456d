"""`assay debug` over a script, driven as an editor drives it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from lupa.lua55 import LuaRuntime

from assay.debugging import launch
from assay.debugging.launch import Launch
from command import TIMEOUT, Command
from debug_client import DebugClient, RefusedError, debugging
from guides import blocks
from terminal import terminal


@contextmanager
def session(assay: Command, text: str, *points: Any, **options: Any) -> Iterator[DebugClient]:
    """Debug a script, with breakpoints in it."""
    path = str(assay.folder / assay.script(text))
    with debugging(assay) as client:
        client.launch(program=path, breakpoints={path: list(points)}, **options)
        yield client


def finish(client: DebugClient, stop: dict[str, Any]) -> int:
    """Go on to the end without breakpoints; returns the exit code."""
    client.set_breakpoints(stop["frames"][0]["source"]["path"])
    client.resume(stop)
    return client.ended()


ADDING = """\
local function add(a, b)
  local sum = a + b
  return sum
end

local total = 0
for i = 1, 3 do
  total = add(total, i)
end
print("total", total)
"""


def test_a_breakpoint_stops_before_its_line(assay: Command) -> None:
    with session(assay, ADDING, 8) as client:
        stop = client.stopped()
        assert (stop["reason"], stop["line"], len(stop["hitBreakpointIds"])) == ("breakpoint", 8, 1)
        assert client.scope(stop, "Locals") == {"add": "function <script.lua:1>", "total": "0", "i": "1"}
        assert finish(client, stop) == 0
        assert client.outputs("stdout") == "total\t6\n"


def test_a_breakpoint_moves_to_the_next_line_with_code(assay: Command) -> None:
    with session(assay, ADDING) as client:
        path = str(assay.folder / "script.lua")
        points = client.set_breakpoints(path, 1, 5, 11)
        assert [(point["verified"], point.get("line")) for point in points] == [(True, 2), (True, 6), (False, None)]


def test_a_conditional_breakpoint_stops_when_its_condition_holds(assay: Command) -> None:
    with session(assay, ADDING, {"line": 8, "condition": "i == 2 and total == 1"}) as client:
        stop = client.stopped()
        assert client.scope(stop, "Locals")["i"] == "2"
        client.resume(stop)
        assert client.ended() == 0


def test_a_condition_that_fails_stops_and_says_why(assay: Command) -> None:
    with session(assay, ADDING, {"line": 8, "condition": "i.x.y"}) as client:
        stop = client.stopped()
        assert "the condition 'i.x.y' failed: attempt to index a number value" in client.outputs("console")
        assert finish(client, stop) == 0


def test_a_hit_condition_counts(assay: Command) -> None:
    with session(assay, ADDING, {"line": 8, "hitCondition": "% 2"}) as client:
        stop = client.stopped()
        assert client.scope(stop, "Locals")["i"] == "2"
        client.resume(stop)
        assert client.ended() == 0


def test_a_log_point_prints_and_goes_on(assay: Command) -> None:
    with session(assay, ADDING, {"line": 8, "logMessage": "adding {i} to {total}; {nothing.here}"}) as client:
        assert client.ended() == 0
        shown = client.outputs("console").splitlines()
        assert [line.partition(";")[0] for line in shown] == ["adding 1 to 0", "adding 2 to 1", "adding 3 to 3"]


def test_steps_go_in_over_and_out(assay: Command) -> None:
    with session(assay, ADDING, 8) as client:
        stop = client.go("stepIn", client.stopped())
        assert (stop["reason"], stop["line"]) == ("step", 2)
        assert [frame["name"] for frame in stop["frames"]] == ["add", "script.lua"]
        stop = client.go("next", stop)
        assert (stop["line"], client.scope(stop, "Locals")) == (3, {"a": "0", "b": "1", "sum": "1"})
        client.set_breakpoints(str(assay.folder / "script.lua"))
        stop = client.go("stepOut", stop)
        assert stop["line"] == 7
        stop = client.go("next", client.go("next", stop))
        assert (stop["line"], client.evaluate(stop, "total")) == (7, "3")
        assert finish(client, stop) == 0


def test_a_step_over_a_wait_stays_in_its_task(assay: Command) -> None:
    text = """\
local task = async.spawn(function()
  local n = 0
  while n < 3 do
    n = n + 1
    sleep(0.01)
  end
end)
sleep(0.1)
task:await()
print("end")
"""
    with session(assay, text, 8) as client:
        stop = client.stopped()
        thread = stop["threadId"]
        for line in (9, 10):
            stop = client.go("next", stop)
            assert (stop["line"], stop["threadId"]) == (line, thread)
        assert finish(client, stop) == 0


def test_a_step_enters_a_coroutine_and_comes_back_out_of_it(assay: Command) -> None:
    text = """\
local numbers = coroutine.wrap(function()
  coroutine.yield(1)
  coroutine.yield(2)
end)
local one = numbers()
local two = numbers()
print(one, two)
"""
    with session(assay, text, 5) as client:
        stop = client.stopped()
        main = stop["threadId"]
        stop = client.go("stepIn", stop)
        assert stop["line"] == 2
        assert stop["threadId"] != main
        names = [thread["name"] for thread in client.request("threads")["threads"]]
        assert names == ["main", "coroutine 2 (script.lua:1)"]
        stop = client.go("stepOut", stop)
        assert (stop["line"], stop["threadId"]) == (6, main)
        stop = client.go("next", stop)
        assert (stop["line"], client.scope(stop, "Locals")["two"]) == (7, "2")
        assert finish(client, stop) == 0


def test_a_breakpoint_in_a_required_module_stops(assay: Command) -> None:
    (assay.folder / "lib").mkdir()
    module = assay.folder / "lib" / "double.lua"
    module.write_text("return function(n)\n  return 2 * n\nend\n")
    with debugging(assay) as client:
        path = str(assay.folder / assay.script('local double = require("lib.double")\nprint(double(21))\n'))
        client.launch(program=path, breakpoints={str(module): [2]})
        stop = client.stopped()
        assert [frame["line"] for frame in stop["frames"]] == [2, 2][: len(stop["frames"])]
        assert stop["frames"][0]["source"]["path"] == str(module)
        assert finish(client, stop) == 0
        assert client.outputs("stdout") == "42\n"


VALUES = """\
count = 3
local shared = { hits = 0 }
local function show(first, ...)
  local t = { 10, 20, name = "x y", inner = { deep = { true } }, ["a-b"] = 1.5, [shared] = false }
  local text, nothing, bytes = 'say "hi"\\n', nil, "\\xff"
  shared.hits = shared.hits + 1
  return t, text, nothing, bytes
end
show(1, "two", json.null)
"""


def test_variables_are_shown_with_their_contents(assay: Command) -> None:
    with session(assay, VALUES, 6) as client:
        stop = client.stopped()
        variables = {item["name"]: item for item in client.variables(stop, "Locals")}
        assert variables["first"]["value"] == "1"
        assert variables["text"]["value"] == '"say \\"hi\\"\\n"'
        assert (variables["nothing"]["value"], variables["nothing"]["type"]) == ("nil", "nil")
        assert variables["bytes"]["value"] == '"\\xFF"'
        assert (variables["(... 1)"]["value"], variables["(... 2)"]["value"]) == ('"two"', "null")
        inside = {item["name"]: item for item in client.children(variables["t"]["variablesReference"])}
        assert {name: item["value"] for name, item in inside.items()} == {
            "[1]": "10",
            "[2]": "20",
            '["a-b"]': "1.5",
            "inner": "{deep = {…}}",
            "name": '"x y"',
            "[{hits = 0}]": "false",
        }
        assert inside['["a-b"]']["evaluateName"] == 't["a-b"]'
        assert client.evaluate(stop, inside['["a-b"]']["evaluateName"]) == "1.5"
        assert client.scope(stop, "Upvalues") == {"shared": "{hits = 0}"}
        assert client.scope(stop, "Globals") == {"count": "3"}
        assert finish(client, stop) == 0


def test_a_large_table_is_cut(assay: Command) -> None:
    with session(assay, "local t = {}\nfor i = 1, 5000 do\n  t[i] = i\nend\nprint(#t)\n", 5) as client:
        stop = client.stopped()
        [item] = client.variables(stop, "Locals")
        inside = client.children(item["variablesReference"])
        assert (len(inside), inside[-1]["value"]) == (1001, "4000 more")
        assert finish(client, stop) == 0


def test_expressions_see_the_frame(assay: Command) -> None:
    with session(assay, VALUES, 6) as client:
        stop = client.stopped()
        assert client.evaluate(stop, "first + count + #t + shared.hits") == "6"
        assert client.evaluate(stop, "select('#', ...), ...") == "2"
        assert client.evaluate(stop, "show ~= nil", 1) == "true"
        with pytest.raises(RefusedError, match=r"^attempt to index a nil value"):
            client.evaluate(stop, "nothing.here")
        with pytest.raises(RefusedError, match=r"near 'end'|near <eof>"):
            client.evaluate(stop, "first +")
        with pytest.raises(RefusedError, match="cannot wait while the program is stopped"):
            client.evaluate(stop, "sleep(1)")
        with pytest.raises(RefusedError, match="the expression takes too long"):
            client.evaluate(stop, "(function() while true do end end)()")
        assert finish(client, stop) == 0


def test_variables_can_be_set(assay: Command) -> None:
    with session(assay, ADDING, 8) as client:
        stop = client.stopped()
        assert client.evaluate(stop, "total = 100") == "nil"
        scopes = client.request("scopes", frameId=stop["frames"][0]["id"])["scopes"]
        answer = client.request(
            "setVariable", variablesReference=scopes[0]["variablesReference"], name="total", value="total * 2"
        )
        assert answer["value"] == "200"
        client.set_breakpoints(str(assay.folder / "script.lua"))
        client.resume(stop)
        assert client.ended() == 0
        assert client.outputs("stdout") == "total\t206\n"


def test_an_uncaught_error_stops_where_it_is_raised(assay: Command) -> None:
    text = "local function bad(n)\n  error('no ' .. n)\nend\npcall(bad, 1)\nbad(2)\n"
    with session(assay, text) as client:
        stop = client.stopped()
        assert stop["reason"] == "exception"
        assert stop["text"].endswith("/script.lua:2: no 2")
        assert [frame["line"] for frame in stop["frames"]] == [2, 5]
        assert client.scope(stop, "Locals") == {"n": "2"}
        assert client.request("exceptionInfo", threadId=stop["threadId"])["description"] == stop["text"]
        client.resume(stop)
        assert client.ended() == 1
        assert "script.lua:2: no 2" in client.outputs("stderr")


def test_without_the_filter_an_uncaught_error_does_not_stop(assay: Command) -> None:
    with session(assay, "error('no')\n", filters={"filters": []}) as client:
        assert client.ended() == 1


def test_a_pause_stops_a_loop(assay: Command) -> None:
    with session(assay, "n = 0\nprint('go')\nwhile not done do n = n + 1 end\n") as client:
        client.event("output")
        client.request("pause", threadId=1)
        stop = client.stopped()
        assert (stop["reason"], stop["line"]) == ("pause", 3)
        client.evaluate(stop, "done = true")
        client.resume(stop)
        assert client.ended() == 0


def test_a_pause_stops_what_waits(assay: Command) -> None:
    with session(assay, "local what = 'patience'\nprint('go')\nsleep(3600)\n") as client:
        client.event("output")
        client.request("pause", threadId=1)
        stop = client.stopped()
        assert (stop["reason"], stop["line"]) == ("pause", 3)
        assert client.scope(stop, "Locals") == {"what": '"patience"'}


def test_a_breakpoint_can_be_set_while_the_program_runs(assay: Command) -> None:
    with session(assay, "print('go')\nwhile true do\n  sleep(0.01)\n  n = (n or 0) + 1\nend\n") as client:
        client.event("output")
        client.set_breakpoints(str(assay.folder / "script.lua"), 4)
        stop = client.stopped()
        assert stop["line"] == 4


def test_a_request_for_a_stopped_program_is_refused_while_it_runs(assay: Command) -> None:
    with session(assay, "print('go')\nsleep(3600)\n") as client:
        client.event("output")
        with pytest.raises(RefusedError, match="notStopped"):
            client.request("stackTrace", threadId=1)


def test_the_program_stops_on_entry(assay: Command) -> None:
    with session(assay, "local a = 1\nprint(a)\n", stopOnEntry=True) as client:
        stop = client.stopped()
        assert (stop["reason"], stop["line"]) == ("entry", 1)
        client.resume(stop)
        assert client.ended() == 0


def test_a_program_without_debugging_stops_nowhere(assay: Command) -> None:
    with session(assay, ADDING, 8, noDebug=True) as client:
        assert client.ended() == 0
        assert client.outputs("stdout") == "total\t6\n"


def test_arguments_environment_and_exit_code(assay: Command) -> None:
    text = "print(arg[1], env.get('COLOUR'), fs.exists('here'))\nos.exit(3)\n"
    (assay.folder / "sub").mkdir()
    (assay.folder / "sub" / "here").touch()
    options = {"args": ["one"], "env": {"COLOUR": "red"}, "cwd": str(assay.folder / "sub")}
    with session(assay, text, **options) as client:
        assert client.ended() == 3
        assert client.outputs("stdout") == "one\tred\ttrue\n"


def test_breakpoints_in_handlers_of_requests(assay: Command) -> None:
    text = """\
local function answer(request)
  local path = request.path
  return { body = path }
end
local server = async.spawn(http.serve, 0, { GET = { ["/"] = answer } })
while not _SERVER_PORT do
  sleep(0.01)
end
print(http.get("http://127.0.0.1:" .. _SERVER_PORT).body)
server:cancel()
"""
    with session(assay, text, 3) as client:
        stop = client.stopped()
        assert (stop["line"], client.scope(stop, "Locals")["path"]) == (3, '"/"')
        assert finish(client, stop) == 0
        assert client.outputs("stdout") == "/\n"


def test_a_launch_with_an_unknown_option_is_refused(assay: Command) -> None:
    with debugging(assay) as client:
        client.request("initialize")
        with pytest.raises(RefusedError, match="unknown launch option 'stopOnEntri' \\(did you mean 'stopOnEntry'"):
            client.request("launch", program="x.lua", stopOnEntri=True)


def test_a_launch_of_a_missing_script_is_refused(assay: Command) -> None:
    with debugging(assay) as client:
        number = client.launch(program="nowhere.lua")
        with pytest.raises(RefusedError, match=r"cannot read nowhere\.lua: No such file or directory"):
            client.answer(number)


def test_the_adapter_ends_with_the_editor(assay: Command) -> None:
    with session(assay, "while true do end\n", stopOnEntry=True) as client:
        client.resume(client.stopped())
        client.request("disconnect")
        assert client.process.wait(TIMEOUT) == 0


def test_what_is_no_message_ends_the_adapter(assay: Command) -> None:
    with debugging(assay) as client:
        assert client.process.stdin is not None
        client.process.stdin.write(b"hello\r\n\r\n")
        client.process.stdin.flush()
        assert "expected a header" in client.event("output")["output"]
        client.process.wait(TIMEOUT)


def test_a_new_project_has_launch_configurations(assay: Command) -> None:
    assert assay.run("new", "shop").returncode == 0
    folder = str(assay.folder / "shop")
    text = (assay.folder / "shop" / ".vscode" / "launch.json").read_text().replace("${workspaceFolder}", folder)
    script, from_server, from_file = json.loads(text)["configurations"]
    assert (from_server["workflowId"], from_file["history"]) == ("${input:workflowId}", "${input:history}")
    with debugging(assay) as client:
        program = script["program"].replace("${file}", os.path.join(folder, "start.lua"))
        client.launch(**script | {"program": program, "stopOnEntry": True})
        assert client.stopped()["frames"][0]["source"]["path"] == program


def test_the_extension_for_vscode_starts_this_adapter(assay: Command) -> None:
    result = assay.run("debug", "--vscode", "assay.vsix")
    assert (result.returncode, result.stderr) == (0, "")
    assert "code --install-extension assay.vsix" in result.stdout
    with zipfile.ZipFile(assay.folder / "assay.vsix") as file:
        assert "extension.vsixmanifest" in file.namelist()
        [debugger] = json.loads(file.read("extension/package.json"))["contributes"]["debuggers"]
    assert [debugger["runtime"], *debugger["runtimeArgs"]] == [assay.path, "debug"]
    options = debugger["configurationAttributes"]["launch"]["properties"]
    known = {re.sub(r"_(\w)", lambda found: found[1].upper(), item.name) for item in dataclasses.fields(Launch)}
    assert set(options) == known - {"noDebug"}


def test_the_configurations_in_the_guide_are_understood() -> None:
    replay, several = map(json.loads, blocks("docs/debugging.md", "json"))
    for configuration in [replay, *several["configurations"]]:
        assert launch.read(configuration).program
    [code] = blocks("docs/debugging.md", "lua no-run")
    names = re.findall(r"(\w+) = ", code.partition("configurations.lua")[2])
    assert launch.read(dict.fromkeys(names, "x")).workflow_id == "x"
    LuaRuntime().compile(code)


def test_a_call_over_several_lines_is_one_step(assay: Command) -> None:
    text = """\
local total = 0
for i = 1, 2 do
  total = math.max(
    total + i,
    0
  )
end
print(total)
"""
    with session(assay, text, 3) as client:
        stops = [client.stopped()]
        for _ in range(3):
            stops.append(client.go("next", stops[-1]))
        assert [stop["line"] for stop in stops] == [3, 4, 2, 3]
        client.resume(stops[-1])
        assert client.ended() == 0


def test_an_error_that_is_caught_stops_when_asked_to(assay: Command) -> None:
    text = "print(pcall(error, 'one'))\nprint(xpcall(function() error('two', 0) end, tostring))\nprint(pcall())\n"
    with session(assay, text, filters={"filters": ["raised"]}) as client:
        stop = client.stopped()
        assert (stop["reason"], stop["text"], stop["line"]) == ("exception", "one", 1)
        stop = client.go("continue", stop)
        assert (stop["text"], stop["line"]) == ("two", 2)
        client.resume(stop)
        assert client.ended() == 1
        assert client.outputs("stdout") == "false\tone\nfalse\ttwo\n"
        assert "bad argument #1 to 'pcall' (value expected)" in client.outputs("stderr")


def test_an_editor_may_count_lines_from_zero(assay: Command) -> None:
    path = str(assay.folder / assay.script(ADDING))
    with debugging(assay) as client:
        client.request("initialize", linesStartAt1=False, columnsStartAt1=False)
        client.send("launch", program=path)
        assert client.set_breakpoints(path, 0, 7) == [
            {"id": 1, "verified": True, "line": 1},
            {"id": 2, "verified": True, "line": 7},
        ]
        client.request("configurationDone")
        stop = client.stopped()
        assert (stop["frames"][0]["line"], stop["frames"][0]["column"]) == (7, 0)
        assert finish(client, stop) == 0


def test_a_breakpoint_that_stays_goes_on_counting(assay: Command) -> None:
    point = {"line": 8, "hitCondition": "3"}
    with session(assay, ADDING, 7, point) as client:
        stop = client.go("continue", client.stopped())
        client.set_breakpoints(str(assay.folder / "script.lua"), point)
        stop = client.go("continue", stop)
        assert client.scope(stop, "Locals")["i"] == "3"
        assert finish(client, stop) == 0


def test_a_file_may_have_any_name(assay: Command) -> None:
    name = os.fsencode(assay.folder) + b"/caf\xe9.lua"
    with open(name, "wb") as file:
        file.write(b"return function() error('no') end\n")
    text = "package.path = './?.lua'\nlocal ok = pcall(require('caf' .. string.char(233)))\nerror('end')\n"
    with session(assay, text) as client:
        client.resume(client.stopped())
        assert client.ended() == 1


def test_a_stack_overflow_does_not_end_debugging(assay: Command) -> None:
    text = "local function f(n)\n  return 1 + f(n + 1)\nend\nprint((pcall(f, 1)))\nlocal after = 1\nprint(after)\n"
    with session(assay, text, 6, filters={"filters": ["raised"]}) as client:
        stop = client.stopped()
        assert "stack overflow" in stop["text"]
        assert int(client.scope(stop, "Locals")["n"]) > 1000
        stop = client.go("continue", stop)
        assert (stop["reason"], stop["line"]) == ("breakpoint", 6)
        assert finish(client, stop) == 0
        assert client.outputs("stdout") == "false\n1\n"


def test_on_a_terminal_it_says_who_starts_it(assay: Command) -> None:
    with terminal(assay, "debug") as screen:
        assert screen.wait() == 2
        assert "this command is started by an editor: see 'assay context debugging'" in screen.shown.replace("\n", "")
