"""Rate limit of a run's output, so that a run that logs in a loop neither fills the disk nor drowns other lines."""

from __future__ import annotations

import time

from assay import log_lines
from assay.events import OUTPUT_DROPPED

MAX_LINES = 1000
"""Maximum number of lines per second."""

MAX_BYTES = 1 << 20
"""Maximum number of bytes per second."""


class OutputLimit:
    """Counts lines and bytes per second. Output above the limit is dropped, which is reported once per second."""

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
            limit = f"{MAX_LINES} lines or {MAX_BYTES >> 20} MiB per second"
            text = f"a workflow run logs more than {limit}: dropping its output for the rest of this second"
            log_lines.emit("warn", text, event=OUTPUT_DROPPED)
        return False
