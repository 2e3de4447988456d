"""Timelines of runs, from `assay workflow show` in a separate process, because it runs the script."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress

from assay.cli.dev.report import Run

_LINES = 1000  # height of its pseudo-terminal; its output may be longer
_CHUNK = 65536


class Timelines:
    """Reads timelines, one at a time."""

    def __init__(self, script: str, options: Sequence[str]) -> None:
        """Set the script and its permission options."""
        self._script = script
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    async def read(self, run: Run, width: int) -> list[str]:
        """Return the colored lines of a run's timeline, at most `width` columns wide.

        If the script cannot be read without its arguments, the timeline has no Lua lines and ends with the error.
        """
        where = ["--run-id", run.run_id, *(["--namespace", run.namespace] if run.namespace else [])]
        show = [sys.executable, "-m", "assay", "workflow", "show", *self._options, *where]
        code, lines = await asyncio.to_thread(self._run, [*show, "--", run.workflow_id, self._script], width)
        if code <= 0:
            return lines
        second, plain = await asyncio.to_thread(self._run, [*show, "--", run.workflow_id], width)
        return [*plain, "", *lines] if second == 0 else lines

    def close(self) -> None:
        """Kill the process that is still running."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _run(self, command: list[str], width: int) -> tuple[int, list[str]]:
        terminal, device = pty.openpty()
        termios.tcsetwinsize(device, (_LINES, width))
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=device, stderr=device, start_new_session=True
            )
        finally:
            os.close(device)
        data = bytearray()
        try:
            while piece := os.read(terminal, _CHUNK):
                data += piece
        except OSError:
            pass  # raised by a pseudo-terminal when the last writer has closed it
        os.close(terminal)
        code = self._process.wait()
        return code, data.decode("utf-8", "replace").replace("\r", "").rstrip("\n").split("\n")
