"""What the tests of a file write."""

from __future__ import annotations

import os
import tempfile

_END = 20_000  # bytes that are kept at the start, and at the end, of what a test writes
_CHUNK = 1 << 20


class Output:
    """What the process of a file writes: in a file that is still there when the process has been killed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 `close` closes it
        self._reported = 0

    def fileno(self) -> int:
        """Return where the process is to write."""
        return self._file.fileno()

    def close(self) -> None:
        """Forget it."""
        self._file.close()

    def take(self, end: int | None = None) -> str:
        """Return what was written since the last time, up to byte `end`; of a flood the first and the last lines."""
        begin, self._reported = self._reported, os.fstat(self._file.fileno()).st_size if end is None else end
        if self._reported - begin <= 2 * _END:
            return self._read(begin, self._reported).decode("utf-8", "replace")
        first, last = self._read(begin, begin + _END), self._read(self._reported - _END, self._reported)
        first = first[: first.rfind(b"\n") + 1] or first
        last = last[last.find(b"\n") + 1 :] or last
        begin, end = begin + len(first), self._reported - len(last)
        lines = self._count_lines(begin, end)
        left_out = f"{lines} lines" if lines else f"{end - begin} bytes"
        parts = (first.decode("utf-8", "replace").removesuffix("\n"), last.decode("utf-8", "replace"))
        return f"\n… {left_out} left out …\n".join(parts)

    def _read(self, begin: int, end: int) -> bytes:
        return os.pread(self._file.fileno(), end - begin, begin)

    def _count_lines(self, begin: int, end: int) -> int:
        return sum(self._read(at, min(at + _CHUNK, end)).count(b"\n") for at in range(begin, end, _CHUNK))
