"""The output of a process, line by line."""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from typing import IO

from timeouts import TIMEOUT


class OutputLines:
    """The lines of both streams, in the order of arrival."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            threading.Thread(target=self._read, args=(stream,)).start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)

    def read_until(self, text: str) -> str:
        """Wait for a line that contains a string on either stream; returns all lines up to it."""
        seen, deadline = "", time.monotonic() + TIMEOUT
        while True:
            try:
                line = self._lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line contains {text!r}; received: {seen}") from None
            seen += line
            if text in line:
                return seen
