"""The small author's tools: new, types, modules, context."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from lupa.lua55 import LuaRuntime

from assay.cli import reference
from command import TIMEOUT, Command


class TestNew:
    def test_the_tests_of_a_new_project_pass(self, assay: Command) -> None:
        result = assay.run("new", "apps/My App")
        assert (result.stderr, result.returncode) == ("", 0)
        assert "\n  cd 'apps/My App'\n" in result.stdout
        folder = assay.folder / "apps" / "My App"
        assert 'task_queue = "my-app"' in (folder / "worker.lua").read_text(encoding="utf-8")
        settings = json.loads((folder / ".luarc.json").read_text(encoding="utf-8"))
        assert (folder / settings["workspace.library"][0] / "assay.lua").read_text("utf-8") == reference.stubs()
        path = os.path.dirname(assay.path) + os.pathsep + os.environ["PATH"]
        made = subprocess.run(
            ["make", "test"],
            cwd=folder,
            env={**assay.environment, "PATH": path},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert "2 passed, 0 failed" in made.stdout, made.stdout + made.stderr
        assert made.returncode == 0

    @pytest.mark.parametrize(("name", "reason"), [("full", "it exists already"), ("..", "needs a letter or a digit")])
    def test_it_touches_nothing_that_is_there(self, assay: Command, name: str, reason: str) -> None:
        (assay.folder / "full").mkdir()
        assay.script("print('mine')", "full/worker.lua")
        result = assay.run("new", name)
        assert reason in result.stderr
        assert (result.stdout, result.returncode) == ("", 2)
        assert (assay.folder / "full" / "worker.lua").read_text() == "print('mine')"


class TestTypes:
    def test_they_are_lua_and_complete(self, assay: Command) -> None:
        printed = assay.run("types").stdout
        assert printed == reference.stubs()
        LuaRuntime().compile(printed)
        assert "function Environment:signal_at(seconds, name, input) end" in printed

    def test_they_go_into_a_folder_that_is_made(self, assay: Command) -> None:
        assert assay.run("types", ".luals/deep/assay.lua").returncode == 0
        folder = assay.folder / ".luals" / "deep"
        assert (folder / "assay.lua").read_text(encoding="utf-8") == reference.stubs()
        assert {path.name for path in folder.iterdir()} == {"assay.lua", *reference.module_stubs()}

    def test_a_file_that_cannot_be_written(self, assay: Command) -> None:
        assay.script("", "no")
        result = assay.run("types", "no/where.lua")
        assert result.stderr == "assay: cannot write no/where.lua: File exists\n"
        assert result.returncode == 2


class TestModules:
    def test_all(self, assay: Command) -> None:
        lines = assay.run("modules").stdout.splitlines()
        assert "json Parse and encode JSON." in [" ".join(line.split()) for line in lines]
        assert [line.split()[0] for line in lines] == [library.name for library in reference.libraries()]

    def test_one(self, assay: Command) -> None:
        result = assay.run("modules", "json")
        assert result.stdout.startswith("json.")
        assert result.returncode == 0

    def test_an_unknown_one(self, assay: Command) -> None:
        result = assay.run("modules", "jsn")
        assert "there is no 'jsn'" in result.stderr
        assert (result.stdout, result.returncode) == ("", 2)


class TestContext:
    @pytest.mark.parametrize(
        ("query", "title"),
        [
            ("wait for a signal", "## `ctx:wait_signal("),
            ("ctx:sleep", "## `ctx:sleep("),
            ("json.encode", "## `json.encode("),
            ("parse json", "## `json.parse("),
            ("start a workflow", "## `temporal.start"),
            ("read a file", "## `fs.read("),
            ("connect", "## `temporal.connect("),
        ],
    )
    def test_the_best_comes_first(self, assay: Command, query: str, title: str) -> None:
        result = assay.run("context", *query.split())
        assert result.stdout.startswith(title), result.stdout[:80]
        assert result.returncode == 0

    def test_options_are_shown(self, assay: Command) -> None:
        shown = assay.run("context", "-n", "1", "execute_activity").stdout
        assert "| `heartbeat_timeout?` | `number` |" in shown

    def test_functions_that_differ_only_in_their_names_are_one(self, assay: Command) -> None:
        shown = assay.run("context", "temporal.list_workflows").stdout
        assert shown.count("List workflows as an array") == 1
        assert shown.startswith("## `temporal.list_workflows(options?)` ")
        assert "\nAlso `client:list_workflows(options?)`.\n" in shown
        assert shown.count("\n## ") == 2  # two others are shown beside it

    def test_nothing(self, assay: Command) -> None:
        result = assay.run("context", "zzzz")
        assert (result.stdout, result.stderr, result.returncode) == ("", "nothing about 'zzzz'\n", 1)


@pytest.mark.parametrize("command", ["check", "context", "modules", "new", "replay", "test", "types", "workflow show"])
def test_help_fits_on_a_screen(assay: Command, command: str) -> None:
    result = assay.run(*command.split(), "--help")
    assert result.stdout.startswith(f"Usage: assay {command} ")
    assert "--verbose" in result.stdout
    assert len(result.stdout.splitlines()) <= 24
    assert result.returncode == 0
