"""The small builtins: Lua scripts run by the command, and checks that need Python."""

from __future__ import annotations

import importlib
import io
import json
import re
import sys
from pathlib import Path

import pytest

from assay import log_lines
from assay.libraries import LIBRARIES
from command import Command
from lua_host import CapturingHost, run

SCRIPTS = Path(__file__).parent / "lua"
NAMES = (
    *("assert", "async", "base64", "coroutine", "crypto", "db", "disk", "env", "errors", "fs", "json", "markdown"),
    *(
        "os",
        "process",
        "regex",
        "require",
        "shell",
        "template",
        "template_limits",
        "toml",
        "ws",
        "yaml",
        "yaml_12",
        "yaml_merge",
    ),
)


@pytest.mark.parametrize("name", NAMES)
def test_script(name: str, assay: Command) -> None:
    assay.folder = SCRIPTS
    result = assay.run(f"{name}.lua")
    assert (result.stderr, result.stdout, result.returncode) == ("", "", 0)


def test_every_library_has_a_module_of_its_name_and_is_documented() -> None:
    for name, (module, is_function) in LIBRARIES.items():
        library = importlib.import_module(module).library
        assert (library.name, is_function) == (name, library.entry is not None and not library.functions)
        assert library.doc
        handles = [method for handle in library.handles for method in handle.methods]
        for function in [*library.functions, *handles, *filter(None, [library.entry])]:
            assert function.name.startswith("_") or function.doc, function.title


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("ASSAY_LOG", "ASSAY_LOG_LEVEL", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.mark.usefixtures("environment")
def test_log_lines_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    run("""
        log.info("plain")
        log.warn("two\\nlines \\27[31m", {b = "x y", a = 1, c = {1, {d = true}}, e = "", f = "\\n", ["g\\n"] = 1.5})
        log.error("\\xff", {})
        log.debug("not shown")
        log.info(5)
    """)
    lines = capsys.readouterr().err.splitlines()
    assert [re.sub(TIME, "T", line) for line in lines] == [
        "T INFO  plain",
        r'T WARN  two\nlines \x1b[31m a=1 b="x y" c=[1,{"d":true}] e="" f="\n" g\n=1.5',
        "T ERROR \ufffd",
        "T INFO  5",
    ]


def test_log_lines_are_colored_on_a_terminal(environment: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    environment.setattr(sys, "stderr", terminal)
    run("log.error('red', {a = 1})")
    assert re.fullmatch(
        f"\x1b\\[2m{TIME}\x1b\\[0m \x1b\\[31mERROR\x1b\\[0m red \x1b\\[2ma=1\x1b\\[0m\n", terminal.getvalue()
    )
    environment.setenv("NO_COLOR", "1")
    run("log.error('plain')")
    assert "\x1b" not in terminal.getvalue().splitlines()[1]


def test_log_lines_are_json(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("ASSAY_LOG", "json")
    run("log.info('a\\nb', {x = {1, '\\xff'}, level = 'mine', y = 0/0}) log.error('c')")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert re.fullmatch(TIME, first.pop("time"))
    assert first == {
        "level": "info",
        "message": "a\nb",
        "fields": {"x": [1, "\ufffd"], "level": "mine", "y": None},
    }
    assert set(second) == {"time", "level", "message"}


@pytest.mark.parametrize(
    ("level", "shown"), [("debug", "diwe"), ("info", "iwe"), ("WARN", "we"), ("error", "e"), ("nonsense", "iwe")]
)
def test_log_levels(
    level: str, shown: str, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("ASSAY_LOG_LEVEL", level)
    for name in log_lines.LEVELS:
        run(f"log.{name}('{name[0]}')")
    assert "".join(line[-1] for line in capsys.readouterr().err.splitlines()) == shown


def test_bad_arguments_of_log_are_errors() -> None:
    for code, message in {
        "log.info()": "bad argument 'message' (string expected, got nil)",
        "log.info({})": "bad argument 'message' (string expected, got table)",
        "log.info('x', 5)": "bad argument 'fields' (table expected, got number)",
        "log.info('x', {a = print})": "bad argument 'fields.a' (functions cannot be serialized)",
    }.items():
        assert run(f"return select(2, pcall(function() local _ = {{{code}}} end))").endswith(f"log.info: {message}")


def test_the_command_ends_with_the_exit_code_of_the_script(assay: Command) -> None:
    for code, expected in {"os.exit(7)": 7, "os.exit(true)": 0, "os.exit(false)": 1, "sleep(0) os.exit(9)": 9}.items():
        result = assay.run("exec", "-e", f"io = nil print('before') pcall(function() {code} end) print('after')")
        assert (result.stdout, result.stderr, result.returncode) == ("before\n", "", expected)


def test_a_module_of_the_user_comes_before_a_built_in_one(assay: Command) -> None:
    (assay.folder / "modules" / "assay").mkdir(parents=True)
    (assay.folder / "modules" / "assay" / "temporal.lua").write_text("return 'mine'")
    assert assay.run("exec", "-e", "print((require('assay.temporal')))").stdout == "mine\n"


def test_temporary_folders_are_private() -> None:
    path = Path(run("return fs.tempdir()"))
    assert path.is_dir()
    assert path.stat().st_mode & 0o077 == 0
    path.rmdir()


def test_harmful_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "dangling").symlink_to("nowhere")
    lua = CapturingHost(folder=str(tmp_path))
    listed = lua.run("return fs.readdir(...)", str(tmp_path))
    assert [(entry["path"], entry["type"]) for entry in listed] == [
        ("dangling", "symlink"),
        ("link", "symlink"),
        ("loop", "symlink"),
        ("real", "directory"),
        ("real/file", "file"),
    ]
    stat = lua.run("return fs.stat(...)", str(tmp_path / "link"))
    assert (stat["type"], stat["is_symlink"], stat["is_dir"]) == ("directory", True, True)
    assert lua.run("return fs.exists(...)", str(tmp_path / "dangling")) is False
    lua.run("fs.remove(...)", str(tmp_path / "link"))
    lua.run("fs.remove(...)", str(tmp_path / "dangling"))
    assert (tmp_path / "real" / "file").exists()
    assert not (tmp_path / "link").is_symlink()
