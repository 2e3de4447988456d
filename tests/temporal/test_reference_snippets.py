"""Every function of the reference has an example, and each of them runs."""

from __future__ import annotations

import re
import textwrap
import uuid

import pytest

from assay.cli import examples, reference
from assay.lua.reference import entries
from command import Command
from temporal_script import Script

IN_WORKFLOWS = ("ctx",)
IN_ACTIVITIES = ("activity",)
ON_A_SERVER = ("temporal", "assay.temporal")
BY_THE_TEST_COMMAND = ("test",)
SPECIAL = (*IN_WORKFLOWS, *IN_ACTIVITIES, *ON_A_SERVER, *BY_THE_TEST_COMMAND)
PLAIN = [str(library.name) for library in reference.libraries() if library.name not in SPECIAL]


def names(library: str) -> list[str]:
    found = next(item for item in reference.libraries() if item.name == library)
    return [entry.title.partition("(")[0] for entry in entries(found)]


def parts(library: str) -> tuple[str, list[tuple[list[str], str]]]:
    """The setup of a library's examples, and the sections that are shown."""
    found = examples.sections(library)
    setup = "".join(code for heads, code in found if heads == [examples.SETUP])
    return setup, [(heads, code) for heads, code in found if heads != [examples.SETUP]]


def program(library: str) -> str:
    """All sections as one script; each prints its name first, which locates a failure."""
    setup, shown = parts(library)
    lines = [setup]
    for heads, code in shown:
        lines.append(f"io_name = {heads[0]!r}\n(function()\n{textwrap.indent(code, '  ')}end)()")
    return "\n".join(lines) + "\nprint('done')\n"


@pytest.mark.parametrize("library", [str(item.name) for item in reference.libraries()])
def test_every_function_has_an_example(library: str) -> None:
    _, shown = parts(library)
    covered = [head for heads, _ in shown for head in heads]
    assert len(covered) == len(set(covered))
    assert sorted(set(names(library)) - set(covered)) == []
    assert sorted(set(covered) - set(names(library))) == []


@pytest.mark.parametrize("library", PLAIN)
def test_the_examples_run(assay: Command, library: str) -> None:
    assay.environment["ASSAY_LOG_LEVEL"] = "error"
    assay.script(program(library))
    result = assay.run("script.lua")
    assert result.returncode == 0, result.stderr
    if library != "os":  # which ends with `os.exit`
        assert result.stdout.endswith("done\n")


WORKER = """
local queue = arg[1]
local failures = {}
local client = temporal.connect()
local worker = temporal.worker({
  task_queue = queue,
  workflows = {
    Greet = function(_, name) return "hello " .. name end,
    Wait = function(ctx) return ctx:wait_signal("note") end,
    %s
  },
  activities = {
    charge = function(order) return order end,
    scan = function() end,
    %s
  },
  nexus_services = { greetings = { hello = function(name) return "hello " .. name end } },
})
for _, name in ipairs({ %s }) do
  local id = queue .. "-" .. name:gsub("[^%%w]", "-")
  client:start_workflow({
    task_queue = queue, workflow_type = name, workflow_id = id, input = {},
    start_signal = { name = "approve", input = { user = "jane" } },
  })
  failures[#failures + 1] = { name, id }
end
local failed = 0
for _, started in ipairs(failures) do
  local ok, err = pcall(client.get_result, client, { workflow_id = started[2], timeout = 120 })
  if not ok then
    failed = failed + 1
    print(started[1], err, err.cause)
  end
end
print(#failures - failed .. " passed")
worker:shutdown()
"""


def workflows(library: str) -> tuple[list[str], str]:
    """The sections as functions by name: the body of a workflow, or of an activity."""
    _, shown = parts(library)
    argument = "ctx, input" if library == "ctx" else "input"
    functions = [f'["{heads[0]}"] = function({argument})\n{textwrap.indent(code, "  ")}end,\n' for heads, code in shown]
    return [heads[0] for heads, _ in shown], "".join(functions)


def quoted(heads: list[str]) -> str:
    return ", ".join(f'"{head}"' for head in heads)


def test_the_examples_of_ctx_run_in_workflows(lua: Script, name: str) -> None:
    endpoint, attribute = f"e-{uuid.uuid4().hex[:12]}", f"Stage{uuid.uuid4().hex[:8]}"
    lua.cli_text(
        *("operator", "nexus", "endpoint", "create", "--name", endpoint),
        *("--target-namespace", "default", "--target-task-queue", name),
    )
    lua.cli_text("operator", "search-attribute", "create", "--name", attribute, "--type", "Keyword")
    heads, functions = workflows("ctx")
    functions = functions.replace('endpoint = "greetings"', f'endpoint = "{endpoint}"').replace("OrderStage", attribute)
    result = lua.run(WORKER % (functions, "", quoted(heads)), name)
    assert result.stdout == f"{len(heads)} passed\n", result.stderr
    assert result.returncode == 0


def test_the_examples_of_activity_run_in_activities(lua: Script, name: str) -> None:
    heads, functions = workflows("activity")
    callers = "".join(
        f'["{head}"] = function(ctx) return ctx:execute_activity("{head}", nil, OPTIONS) end,\n' for head in heads
    ).replace("OPTIONS", "{ heartbeat_timeout = 60, retry_policy = { maximum_attempts = 1 } }")
    result = lua.run(WORKER % (callers, functions, quoted(heads)), name)
    assert result.stdout == f"{len(heads)} passed\n", result.stderr


@pytest.mark.parametrize("library", ON_A_SERVER)
def test_the_examples_of_clients_run(lua: Script, temporal_dev_server: object, name: str, library: str) -> None:
    text = program(library).replace('"orders"', f'"{name}"')
    text = text.replace("http://localhost:7243", str(getattr(temporal_dev_server, "http_url", "")))
    if "worker:shutdown" not in text:
        text += "worker:shutdown()\n"
    result = lua.run(text)
    assert re.search(r"^done$", result.stdout, re.MULTILINE), result.stdout + result.stderr
    assert result.returncode == 0, result.stderr


def test_the_examples_of_tests_pass(assay: Command) -> None:
    _, shown = parts("test")
    assay.script("".join(code for _, code in shown), "examples_test.lua")
    result = assay.run("test")
    assert result.returncode == 0, result.stdout + result.stderr
