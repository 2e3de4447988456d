"""The modules that the command imports for a worker or a client, which dominate the startup time."""

from __future__ import annotations

import re
import signal

from assay.temporal.client import Client, Schedules
from assay.temporal.library import CLIENT_METHODS, SCHEDULE_METHODS
from temporal_script import Script
from timeouts import TIMEOUT

_LINE = re.compile(r"^import time:[ \d|]*\| +([\w.]+)$", re.MULTILINE)
WORKER = ("assay.temporal.worker", "assay.temporal.workflow", "assay.temporal.core.bridge", "temporalio.worker")
CLIENT = ("assay.temporal.client", "temporalio.client", "temporalio.converter", "temporalio.workflow", "nexusrpc")


def found(stderr: str, packages: tuple[str, ...]) -> list[str]:
    """The modules of some packages that a process with `PYTHONPROFILEIMPORTTIME` has imported."""
    imported = set(_LINE.findall(stderr))
    assert "assay.cli" in imported
    return sorted(name for name in imported if any(f"{name}.".startswith(f"{package}.") for package in packages))


def run(lua: Script, text: str, *arguments: str) -> str:
    """Run a script that prints "done"; returns its standard error."""
    lua.command.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    result = lua.run(text, *arguments)
    assert (result.stdout, result.returncode) == ("done\n", 0), result.stderr
    return result.stderr


def test_a_worker_imports_nothing_of_the_client(lua: Script, name: str) -> None:
    lua.command.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    script = lua.command.script("""
        temporal.worker({
          task_queue = arg[1],
          activities = { greet = function(who) return "Hello, " .. who end },
          workflows = {
            Greet = function(ctx, who)
              ctx:sleep(0.01)
              ctx:workflow_info()
              return ctx:execute_activity("greet", who)
            end,
          },
        })
    """)
    errors = lua.folder / "stderr"
    with errors.open("w") as stderr, lua.command.started(script, name, stderr=stderr) as process:
        given = ("--type", "Greet", "--task-queue", name, "--workflow-id", name, "--input", '"Jane"')
        assert lua.cli("workflow", "execute", *given)["result"] == "Hello, Jane"
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 0
    shown = errors.read_text()
    assert found(shown, ("assay.temporal.workflow.runs",))
    assert found(shown, (*CLIENT, "temporalio.worker", "opentelemetry", "aiohttp")) == []


def test_a_client_imports_nothing_of_the_worker(lua: Script, name: str) -> None:
    shown = run(
        lua,
        """
        local client = temporal.connect()
        client:start_workflow({ task_queue = arg[1], workflow_type = "W", workflow_id = arg[1] })
        temporal.terminate_workflow(arg[1])
        temporal.start({ task_queue = arg[1], workflow_type = "W", workflow_id = arg[1] })
        client:terminate_workflow(arg[1])
        print("done")
        """,
        name,
    )
    assert found(shown, ("temporalio.client",))
    assert found(shown, WORKER) == []


def test_a_rest_client_imports_nothing_of_the_sdk(lua: Script) -> None:
    shown = run(
        lua,
        """
        local c = require("assay.temporal").client("http://127.0.0.1:1")
        assert.eq(pcall(c.namespaces.list, c.namespaces), false)
        print("done")
        """,
    )
    assert found(shown, ("assay.temporal.rest",))
    assert found(shown, (*WORKER, *CLIENT, "temporalio")) == []


def test_the_global_alone_imports_neither_side(lua: Script) -> None:
    shown = run(lua, "assert.eq(pcall(temporal.start_workflow, {}), false) print('done')")
    assert found(shown, (*WORKER, *CLIENT, "temporalio")) == []


def methods(cls: type) -> set[str]:
    """The names of a handle's methods."""
    return {name for base in cls.__mro__ for name, value in vars(base).items() if hasattr(value, "_pure")}


def test_the_names_of_the_methods_are_known_without_the_client() -> None:
    assert methods(Client) == set(CLIENT_METHODS)
    assert methods(Schedules) == set(SCHEDULE_METHODS)
