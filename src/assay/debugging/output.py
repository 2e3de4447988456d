"""Output of the debugged program as events for the editor, because standard output is used by the protocol."""

from __future__ import annotations

import io
from collections.abc import Callable


class _Sink(io.RawIOBase):
    def __init__(self, send: Callable[[bytes], None]) -> None:
        super().__init__()
        self._send = send

    def writable(self) -> bool:
        """Return true."""
        return True

    def write(self, data: object) -> int:
        """Pass the bytes to the function."""
        raw = bytes(data)  # type: ignore[call-overload]
        self._send(raw)
        return len(raw)


def output_stream(send: Callable[[bytes], None]) -> io.TextIOWrapper:
    """Return a text stream that passes its lines to a function."""
    return io.TextIOWrapper(
        io.BufferedWriter(_Sink(send)), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
