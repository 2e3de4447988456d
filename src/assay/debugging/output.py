"""What a debugged program prints, as events for the editor: standard output belongs to the protocol."""

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
        """Hand the bytes on."""
        raw = bytes(data)  # type: ignore[call-overload]
        self._send(raw)
        return len(raw)


def output_stream(send: Callable[[bytes], None]) -> io.TextIOWrapper:
    """Make a text stream whose lines go to a function."""
    return io.TextIOWrapper(
        io.BufferedWriter(_Sink(send)), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
