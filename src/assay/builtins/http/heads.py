"""Where the head of a message ends among bytes of a connection."""

from __future__ import annotations

import re

_BLANK_LINE = re.compile(rb"\n\r?\n")


class HeadFinder:
    """Finds the ends of heads in bytes that arrive in pieces.

    aiohttp's parsers lose the messages that they have read when an error follows in the same piece. Given a piece up to
    the end of a head, and then the rest, they return the message first.
    """

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before = b""

    def split(self, data: bytes) -> tuple[bytes, bytes]:
        """Return `data` up to the end of the first head, and the rest; all of it and nothing when no head ends."""
        if not self._before and len(data) > 2 and data.find(b"\n\r\n") == len(data) - 3:  # one head, as most are
            return data, b""
        known = len(self._before)
        found = _BLANK_LINE.search(self._before + data)
        if found is None:
            self._before = (self._before + data[-2:])[-2:]
            return data, b""
        self._before = b""
        end = found.end() - known
        return data[:end], data[end:]
