"""A limit on what one run writes: a run that logs in a loop must not fill the disk or hide the lines of others."""

from __future__ import annotations

import time

from assay import log_lines
from assay.events import OUTPUT_DROPPED

MAX_LINES = 1000
MAX_BYTES = 1 << 20


class OutputLimit:
    """Counts the lines and bytes of one second. What is over the limit is dropped, and reported once a second."""

    __slots__ = ("_began", "_bytes", "_lines", "_reported")

    def __init__(self) -> None:
        self._began = -1.0
        self._lines = self._bytes = 0
        self._reported = False

    def admits(self, size: int) -> bool:
        """Return true if a line of `size` bytes may be written now."""
        now = time.monotonic()
        if now - self._began >= 1:
            self._began, self._lines, self._bytes, self._reported = now, 0, 0, False
        self._lines += 1
        self._bytes += size
        if self._lines <= MAX_LINES and self._bytes <= MAX_BYTES:
            return True
        if not self._reported:
            self._reported = True
            most = f"{MAX_LINES} lines or {MAX_BYTES >> 20} MiB in one second"
            text = f"a workflow run logs more than {most}: the rest of this second is dropped"
            log_lines.emit("warn", text, event=OUTPUT_DROPPED)
        return False
