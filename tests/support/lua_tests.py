"""`assay test` with one test file."""

from __future__ import annotations

import re
import subprocess

from command import Command


def run(assay: Command, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one test file, `some_test.lua`."""
    assay.script(text, "some_test.lua")
    return assay.run("test", *arguments)


def names(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines of the tests in a report, without their times."""
    return re.findall(r"^  (\w+ .*) \(\d+\.\d\d s\)$", result.stdout, re.MULTILINE)
