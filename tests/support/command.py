"""The `assay` command, run as a child process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from timeouts import TIMEOUT


def _default_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # shells make background jobs ignore SIGINT


class Command:
    """`assay` with a separate environment and working folder."""

    path = os.path.join(sysconfig.get_path("scripts"), "assay")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ours = ("ASSAY", "OTEL", "PYTHON", "TEMPORAL")
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
        self.environment["HOME"] = self.environment["XDG_CONFIG_HOME"] = str(folder)

    def script(self, text: str, name: str = "script.lua") -> str:
        """Write a script into the folder."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the command until it exits."""
        return subprocess.run(
            [self.path, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            **options,
        )

    @contextmanager
    def started(
        self, *arguments: str, program: tuple[str, ...] = (), stderr: IO[str] | int = subprocess.PIPE
    ) -> Iterator[subprocess.Popen[str]]:
        """Start the command, or a Python `program` instead; it is killed at the end of the block if it still runs."""
        with subprocess.Popen(
            [*([sys.executable, *program] if program else [self.path]), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            preexec_fn=_default_signals,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def read_until(process: subprocess.Popen[str], line: str) -> None:
    """Read standard output up to a line."""
    assert process.stdout is not None
    for text in process.stdout:
        if text.rstrip("\n") == line:
            return
    raise AssertionError(f"{line!r} was not printed; on stderr: {process.stderr and process.stderr.read()}")


def without_lifecycle(stderr: str) -> list[str]:
    """Return the log lines of workers, as text or JSON, without those about their start, drain and end."""
    return [line for line in stderr.splitlines() if not re.search("ASSAY101[789]", line)]


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.02)
