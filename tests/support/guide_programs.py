"""The complete program of a guide: files, commands and their output.

A guide shows it in three sections, "The program", "How to run it" and "What you see":

- Each block of the first section is a file, named by a comment in its first line (`-- race.lua`, `# rules.py`) or by
  the text before it (`race.lua`).
- The second section has one block of commands, or two: then the last line of the first block runs in the background
  while the second block runs.
- The only block of the third section is the standard output of the commands; "…" matches any text.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sysconfig

from command import Command
from guides import PROGRAM, ROOT, fenced, section
from timeouts import TIMEOUT

FILES, COMMANDS, OUTPUT = PROGRAM
GUIDES = sorted(
    str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md") if section(str(path), FILES) is not None
)


def shell(command: Command, text: str) -> subprocess.CompletedProcess[str]:
    """Run shell commands in the folder of a test."""
    path = sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"]
    return subprocess.run(
        ["bash", "-ec", text],
        cwd=command.folder,
        env={**command.environment, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def files(guide: str) -> dict[str, str]:
    """The files of a guide's program."""
    found = {}
    for before, text in re.findall(r"(.*?)^```\w+\n(.*?)^```", section(guide, FILES) or "", re.MULTILINE | re.DOTALL):
        names = re.findall(r"\A(?:--|#) (\S+\.\w+)\n", text) or re.findall(r"`([\w./-]+\.\w+)`", before)
        assert names, f"{guide}: a file without a name"
        found[names[-1]] = text
    return found


def output(guide: str) -> str:
    """Return the output that a guide shows for its program."""
    blocks = fenced(section(guide, OUTPUT) or "")
    assert len(blocks) == 1, f"{guide}: {len(blocks)} outputs"
    return blocks[0][1]


_VARIES = re.compile(
    r"""
    [ ]+$                                # padding at the end of a line
    | (?<=\()[0-9.]+(?=[ ]s\))           # the time that a test took
    | [ ]*\b\d+\.\d{3}s                  # a time in a timeline
    | \d{4}-\d\d-\d\d[ ][\d:]{8}[ ]UTC
    | \b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b
    """,
    re.MULTILINE | re.VERBOSE,
)


def matches(printed: str, shown: str) -> bool:
    """Return true if output is what a guide shows, apart from times, run ids and spaces at the ends of lines.

    "…" in a guide matches any text.
    """
    printed, shown = (_VARIES.sub("", text) for text in (printed, shown))
    return re.fullmatch(".*?".join(map(re.escape, shown.split("…"))), printed, re.DOTALL) is not None


def run(command: Command, guide: str) -> subprocess.CompletedProcess[str]:
    """Write the program of a guide and run its commands."""
    for name, text in files(guide).items():
        (command.folder / name).parent.mkdir(parents=True, exist_ok=True)
        command.script(text, name)
    command.environment["COLUMNS"] = "128"  # as wide as the pages
    *first, last = [text for language, text in fenced(section(guide, COMMANDS) or "") if language == "sh"]
    if not first:
        return shell(command, last)
    *prepare, worker = first[0].splitlines()
    assert shell(command, "\n".join(prepare)).returncode == 0
    with command.started(*worker.split()[1:]) as process:
        result = shell(command, last)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
    return result
