"""The output of a test file."""

from __future__ import annotations

import os
import tempfile

_MAX_END = 20_000  # bytes of a test's output that are kept at its start and at its end
_CHUNK = 1 << 20


class Output:
    """The output of a test process, in a temporary file that outlives a killed process."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 `close` closes it
        self._reported = 0

    def fileno(self) -> int:
        """Return the file descriptor for the process to write to."""
        return self._file.fileno()

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def take(self, end: int | None = None) -> str:
        """Return the output since the last call, up to byte `end`. Omit the middle of long output."""
        begin, self._reported = self._reported, os.fstat(self._file.fileno()).st_size if end is None else end
        if self._reported - begin <= 2 * _MAX_END:
            return self._read(begin, self._reported).decode("utf-8", "replace")
        first, last = self._read(begin, begin + _MAX_END), self._read(self._reported - _MAX_END, self._reported)
        first = first[: first.rfind(b"\n") + 1] or first
        last = last[last.find(b"\n") + 1 :] or last
        begin, end = begin + len(first), self._reported - len(last)
        lines = self._count_lines(begin, end)
        omitted = f"{lines} lines" if lines else f"{end - begin} bytes"
        parts = (first.decode("utf-8", "replace").removesuffix("\n"), last.decode("utf-8", "replace"))
        return f"\n… {omitted} omitted …\n".join(parts)

    def _read(self, begin: int, end: int) -> bytes:
        return os.pread(self._file.fileno(), end - begin, begin)

    def _count_lines(self, begin: int, end: int) -> int:
        return sum(self._read(at, min(at + _CHUNK, end)).count(b"\n") for at in range(begin, end, _CHUNK))
