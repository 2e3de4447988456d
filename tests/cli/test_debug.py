"""`assay debug`: breakpoints, steps, pauses and errors, as an editor sees them."""

from __future__ import annotations

import os

import pytest

from command import Command
from debug_client import ADDING, RefusedError, debugging, finish, session

# Breakpoints ----------------------------------------------------------------------------------------------------


def test_a_breakpoint_stops_before_its_line(assay: Command) -> None:
    with session(assay, ADDING, 8) as client:
        stop = client.stopped()
        assert (stop["reason"], stop["line"]) == ("breakpoint", 8)
        assert len(stop["hitBreakpointIds"]) == 1
        assert client.scope(stop, "Locals") == {"add": "function <script.lua:1>", "total": "0", "i": "1"}
        assert finish(client, stop) == 0
        assert client.outputs("stdout") == "total\t6\n"


def test_a_breakpoint_moves_to_the_next_line_with_code(assay: Command) -> None:
    with session(assay, ADDING) as client:
        path = str(assay.folder / "script.lua")
        points = client.set_breakpoints(path, 1, 5, 11)
        assert [(point["verified"], point.get("line")) for point in points] == [(True, 2), (True, 6), (False, None)]


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


def test_a_breakpoint_can_be_set_while_the_program_runs(assay: Command) -> None:
    with session(assay, "print('go')\nwhile true do\n  sleep(0.01)\n  n = (n or 0) + 1\nend\n") as client:
        client.event("output")
        client.set_breakpoints(str(assay.folder / "script.lua"), 4)
        stop = client.stopped()
        assert stop["line"] == 4


def test_a_breakpoint_in_a_handler_of_requests_stops(assay: Command) -> None:
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


def test_a_conditional_breakpoint_stops_when_its_condition_holds(assay: Command) -> None:
    with session(assay, ADDING, {"line": 8, "condition": "i == 2 and total == 1"}) as client:
        stop = client.stopped()
        assert client.scope(stop, "Locals")["i"] == "2"
        client.resume(stop)
        assert client.ended() == 0


def test_a_condition_that_fails_stops_and_shows_the_error(assay: Command) -> None:
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


def test_a_breakpoint_that_is_set_again_keeps_its_count(assay: Command) -> None:
    point = {"line": 8, "hitCondition": "3"}
    with session(assay, ADDING, 7, point) as client:
        stop = client.go("continue", client.stopped())
        client.set_breakpoints(str(assay.folder / "script.lua"), point)
        stop = client.go("continue", stop)
        assert client.scope(stop, "Locals")["i"] == "3"
        assert finish(client, stop) == 0


def test_a_log_point_prints_and_does_not_stop(assay: Command) -> None:
    with session(assay, ADDING, {"line": 8, "logMessage": "adding {i} to {total}; {nothing.here}"}) as client:
        assert client.ended() == 0
        shown = client.outputs("console").splitlines()
        assert [line.partition(";")[0] for line in shown] == ["adding 1 to 0", "adding 2 to 1", "adding 3 to 3"]


# Steps ----------------------------------------------------------------------------------------------------------


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


def test_a_step_enters_and_leaves_a_coroutine(assay: Command) -> None:
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


# Pauses ---------------------------------------------------------------------------------------------------------


def test_a_pause_stops_a_loop(assay: Command) -> None:
    with session(assay, "n = 0\nprint('go')\nwhile not done do n = n + 1 end\n") as client:
        client.event("output")
        client.request("pause", threadId=1)
        stop = client.stopped()
        assert (stop["reason"], stop["line"]) == ("pause", 3)
        client.evaluate(stop, "done = true")
        client.resume(stop)
        assert client.ended() == 0


def test_a_pause_stops_a_program_that_waits(assay: Command) -> None:
    with session(assay, "local what = 'patience'\nprint('go')\nsleep(3600)\n") as client:
        client.event("output")
        client.request("pause", threadId=1)
        stop = client.stopped()
        assert (stop["reason"], stop["line"]) == ("pause", 3)
        assert client.scope(stop, "Locals") == {"what": '"patience"'}


def test_a_request_for_a_stopped_program_is_refused_while_it_runs(assay: Command) -> None:
    with session(assay, "print('go')\nsleep(3600)\n") as client:
        client.event("output")
        with pytest.raises(RefusedError, match="notStopped"):
            client.request("stackTrace", threadId=1)


# Errors ---------------------------------------------------------------------------------------------------------


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


def test_a_caught_error_stops_with_the_filter_for_raised_errors(assay: Command) -> None:
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


def test_a_file_may_have_any_name(assay: Command) -> None:
    name = os.fsencode(assay.folder) + b"/caf\xe9.lua"
    with open(name, "wb") as file:
        file.write(b"return function() error('no') end\n")
    text = "package.path = './?.lua'\nlocal ok = pcall(require('caf' .. string.char(233)))\nerror('end')\n"
    with session(assay, text) as client:
        client.resume(client.stopped())
        assert client.ended() == 1
