"""Splits received data after the head of an HTTP message, for the client and the server."""

from __future__ import annotations

import re

_BLANK_LINE = re.compile(rb"\n\r?\n")


class HeadSplitter:
    """Splits received data at the end of a head.

    aiohttp's parsers discard complete messages if an error follows in the same chunk. They return the message when
    they receive the data up to the end of its head and the rest separately.
    """

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before = b""

    def split(self, data: bytes) -> tuple[bytes, bytes]:
        """Return `data` up to the end of the first head, and the rest, which is empty if no head ends in `data`."""
        if not self._before and len(data) > 2 and data.find(b"\n\r\n") == len(data) - 3:  # exactly one head
            return data, b""
        offset = len(self._before)
        match = _BLANK_LINE.search(self._before + data)
        if match is None:
            self._before = (self._before + data[-2:])[-2:]
            return data, b""
        self._before = b""
        end = match.end() - offset
        return data[:end], data[end:]
