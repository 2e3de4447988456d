"""`assay debug`: variables and expressions of a program that has stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from command import Command
from debug_client import ADDING, DebugClient, RefusedError, finish, session

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


Stopped = tuple[DebugClient, dict[str, Any]]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopped]:
    """The program, stopped in line 6: tests look at it, and do not change it."""
    assay = Command(tmp_path_factory.mktemp("values"))
    with session(assay, VALUES, 6) as client:
        stop = client.stopped()
        yield client, stop
        assert finish(client, stop) == 0


# Variables ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("first", "1"),
        ("text", '"say \\"hi\\"\\n"'),
        ("nothing", "nil"),
        ("bytes", '"\\xFF"'),
        ("(... 1)", '"two"'),
        ("(... 2)", "null"),
    ],
)
def test_a_variable_has_a_value(stopped: Stopped, name: str, value: str) -> None:
    client, stop = stopped
    assert client.scope(stop, "Locals")[name] == value


def variable(stopped: Stopped, name: str) -> dict[str, Any]:
    """Return a local variable as the adapter describes it."""
    client, stop = stopped
    [found] = [item for item in client.variables(stop, "Locals") if item["name"] == name]
    return found


def test_a_variable_has_a_type(stopped: Stopped) -> None:
    assert variable(stopped, "nothing")["type"] == "nil"


def test_a_table_has_its_fields_as_children(stopped: Stopped) -> None:
    client, _ = stopped
    children = client.children(variable(stopped, "t")["variablesReference"])
    assert {item["name"]: item["value"] for item in children} == {
        "[1]": "10",
        "[2]": "20",
        '["a-b"]': "1.5",
        "inner": "{deep = {…}}",
        "name": '"x y"',
        "[{hits = 0}]": "false",
    }


def test_a_field_has_an_expression_that_reads_it(stopped: Stopped) -> None:
    client, stop = stopped
    children = client.children(variable(stopped, "t")["variablesReference"])
    [expression] = [item["evaluateName"] for item in children if item["name"] == '["a-b"]']
    assert expression == 't["a-b"]'
    assert client.evaluate(stop, expression) == "1.5"


def test_upvalues_have_a_scope(stopped: Stopped) -> None:
    client, stop = stopped
    assert client.scope(stop, "Upvalues") == {"shared": "{hits = 0}"}


def test_globals_of_the_program_have_a_scope(stopped: Stopped) -> None:
    client, stop = stopped
    assert client.scope(stop, "Globals") == {"count": "3"}


def test_a_large_table_is_cut(assay: Command) -> None:
    with session(assay, "local t = {}\nfor i = 1, 5000 do\n  t[i] = i\nend\nprint(#t)\n", 5) as client:
        stop = client.stopped()
        [item] = client.variables(stop, "Locals")
        inside = client.children(item["variablesReference"])
        assert len(inside) == 1001
        assert inside[-1]["value"] == "4000 more"
        assert finish(client, stop) == 0


def test_a_variable_can_be_set(assay: Command) -> None:
    with session(assay, ADDING, 8) as client:
        stop = client.stopped()
        scopes = client.request("scopes", frameId=stop["frames"][0]["id"])["scopes"]
        reference = scopes[0]["variablesReference"]
        client.evaluate(stop, "total = 100")
        answer = client.request("setVariable", variablesReference=reference, name="total", value="total * 2")
        assert answer["value"] == "200"
        assert finish(client, stop) == 0
        assert client.outputs("stdout") == "total\t206\n"


# Expressions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "frame", "value"),
    [
        ("first + count + #t + shared.hits", 0, "6"),
        ("select('#', ...), ...", 0, "2"),
        ("show ~= nil", 1, "true"),
    ],
    ids=["variables", "variable arguments", "outer frame"],
)
def test_an_expression_sees_the_frame(stopped: Stopped, expression: str, frame: int, value: str) -> None:
    client, stop = stopped
    assert client.evaluate(stop, expression, frame) == value


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("nothing.here", r"^attempt to index a nil value"),
        ("first +", r"near 'end'|near <eof>"),
        ("sleep(1)", "cannot wait while the program is stopped"),
        ("(function() while true do end end)()", "the expression takes too long"),
    ],
    ids=["error", "syntax", "wait", "endless"],
)
def test_an_expression_that_fails(stopped: Stopped, expression: str, problem: str) -> None:
    client, stop = stopped
    with pytest.raises(RefusedError, match=problem):
        client.evaluate(stop, expression)


def test_an_assignment_is_an_expression(assay: Command) -> None:
    with session(assay, ADDING, 8) as client:
        stop = client.stopped()
        assert client.evaluate(stop, "total = 100") == "nil"
        assert finish(client, stop) == 0
        assert client.outputs("stdout") == "total\t106\n"
