"""The code blocks of the guide, and the options that it names."""

from __future__ import annotations

import subprocess
import sys
import tomllib

from assay.permissions.needs import RIGHTS
from command import Command
from guides import ROOT, blocks
from timeouts import TIMEOUT

GUIDE = "docs/permissions.md"


def test_the_commands_run(assay: Command) -> None:
    assay.script("print('ran')", "report.lua")
    for line in blocks(GUIDE, "sh")[0].splitlines():
        _, *arguments = line.split()
        assert assay.run(*arguments).stdout == "ran\n"


def test_the_table_holds(assay: Command) -> None:
    text = blocks(GUIDE, "toml")[0]
    assert tomllib.loads(text)["permissions"].keys() <= RIGHTS.keys()
    (assay.folder / "assay.toml").write_text(text)
    assay.script('print(env.get("API_KEY"), pcall(env.get, "HOME"))')
    assay.environment["API_KEY"] = "key"
    assert assay.run("script.lua").stdout.startswith("key\tfalse\tenv.get: reading the variable HOME is not allowed")


def test_the_refusal_is_as_shown(assay: Command) -> None:
    code = blocks(GUIDE, "lua")[0]
    assert assay.run("exec", "--sandbox", "-e", code).stdout == code.partition("-- ")[2].partition("\n")[0] + "\n"


def test_the_program_runs() -> None:
    code = blocks(GUIDE, "python")[0]
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT, check=False, cwd=ROOT
    )
    assert result.stdout.startswith("false\tfs.read: reading /etc/hostname is not allowed")


def test_every_right_is_in_the_table() -> None:
    text = (ROOT / GUIDE).read_text("utf-8")
    assert all(f"\n| `{right}` | " in text for right in RIGHTS)
