"""The permissions that builtins declare, and their checks by the host."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest

import assay
from assay.cli import reference
from assay.libraries import LIBRARIES
from assay.lua.declare import Function, Library
from assay.permissions.needs import NOTHING, RIGHTS
from assay.testing.host import TEST_LIBRARIES
from command import Command
from sandbox_attempts import attempt

MODULES = sorted(
    {module for module, _ in {**LIBRARIES, **TEST_LIBRARIES}.values()}
    | {"assay.testing.coverage", "assay.cli.repl.callbacks", "assay.temporal.worker.stopping"}
    | {"assay.temporal.workflow.ctx.library"}
)


def _functions(library: Library) -> Iterator[Function]:
    yield from library.functions
    if library.entry is not None:
        yield library.entry
    for handle in library.handles:
        yield from handle.methods


@pytest.mark.parametrize("module", MODULES)
def test_every_builtin_states_what_it_needs(module: str) -> None:
    library = importlib.import_module(module).library
    silent = [function.title for function in _functions(library) if function.needs is None]
    assert silent == [], "state it with needs=… in the declaration, or for the whole library"


@pytest.mark.parametrize("module", MODULES)
def test_declared_needs_name_rights_and_arguments(module: str) -> None:
    for function in _functions(importlib.import_module(module).library):
        for need in function.needs or ():
            assert need.right in RIGHTS
            assert need.argument in (None, *(parameter.name for parameter in function.parameters)), function.title


def test_functions_for_workflows_need_no_permission() -> None:
    for module in MODULES:
        for function in _functions(importlib.import_module(module).library):
            assert not function.pure or function.needs == NOTHING, function.title


async def test_a_builtin_that_states_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    library = importlib.import_module("assay.builtins.time").library
    monkeypatch.setattr(library.entry, "needs", None)
    async with assay.Runtime(permissions=assay.Permissions(net=True)) as runtime:
        with pytest.raises(assay.LuaError, match="does not declare its needs is not allowed"):
            await runtime.run("time()")


def test_the_reference_shows_it() -> None:
    for library in reference.libraries():
        shown = {page.partition("(")[0]: page for page in reference.pages()[f"{library.name}.md"].split("\n## `")}
        for function in library.functions:
            page = shown.get(function.title)
            if page is not None and function.needs:
                assert f"In a sandbox it needs `--allow-{function.needs[0].right}`" in page


SAMPLES = {
    "assay.temporal.client": 'require("assay.temporal").client("http://127.0.0.1:1")',
    "db.connect": 'db.connect("postgres://127.0.0.1:1/x")',
    "disk.dir_size": 'disk.dir_size(".")',
    "disk.sweep": 'disk.sweep(".", 0)',
    "disk.usage": 'disk.usage(".")',
    "env.get": 'env.get("HOME")',
    "env.list": "env.list()",
    "env.set": 'env.set("A", "b")',
    "fs.chmod": 'fs.chmod("x", "600")',
    "fs.copy": 'fs.copy("x", "y")',
    "fs.exists": 'fs.exists("x")',
    "fs.glob": 'fs.glob("*")',
    "fs.list": 'fs.list(".")',
    "fs.mkdir": 'fs.mkdir("x")',
    "fs.read": 'fs.read("x")',
    "fs.read_bytes": 'fs.read_bytes("x")',
    "fs.readdir": 'fs.readdir(".")',
    "fs.remove": 'fs.remove("x")',
    "fs.rename": 'fs.rename("x", "y")',
    "fs.stat": 'fs.stat("x")',
    "fs.tempdir": "fs.tempdir()",
    "fs.write": 'fs.write("x", "y")',
    "fs.write_bytes": 'fs.write_bytes("x", "y")',
    "http.delete": 'http.delete("http://127.0.0.1:1/")',
    "http.get": 'http.get("http://127.0.0.1:1/")',
    "http.patch": 'http.patch("http://127.0.0.1:1/")',
    "http.post": 'http.post("http://127.0.0.1:1/")',
    "http.put": 'http.put("http://127.0.0.1:1/")',
    "http.request": 'http.request("GET", "http://127.0.0.1:1/")',
    "http.serve": "http.serve(0, {})",
    "os.getenv": 'os.getenv("HOME")',
    "process.is_running": 'process.is_running("x")',
    "process.kill": "process.kill(1, 0)",
    "process.list": "process.list()",
    "process.wait_idle": 'process.wait_idle("x")',
    "shell.exec": 'shell.exec("ls")',
    "template.render": 'template.render("x")',
    "temporal.connect": 'temporal.connect({url = "127.0.0.1:1"})',
    "temporal.start": 'temporal.start({url = "127.0.0.1:1", task_queue = "q", workflow_type = "W"})',
    "temporal.worker": 'temporal.worker({url = "127.0.0.1:1", task_queue = "q", activities = {a = print}})',
    "ws.connect": 'ws.connect("ws://127.0.0.1:1/")',
}
"""A call of each function that needs a permission, except those of `temporal` that need a connection."""


def test_there_is_a_sample_of_every_function_that_needs_something() -> None:
    needing = {
        function.title
        for module, _ in LIBRARIES.values()
        for function in importlib.import_module(module).library.functions
        if function.needs and not (function.native and function.title not in SAMPLES)
    }
    hidden = {"temporal.schedules"}  # private: the fields of a connection
    assert needing - hidden == set(SAMPLES)


@pytest.mark.parametrize("title", SAMPLES)
def test_nothing_is_allowed_that_is_not_named(assay: Command, title: str) -> None:
    found = attempt(assay, f"return {SAMPLES[title]}")
    assert found.kind == "denied"
    assert f"{title}: " in found.message
    assert found.flag.startswith("--allow-")
