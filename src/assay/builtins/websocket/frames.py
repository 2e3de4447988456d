"""What aiohttp's WebSockets let pass although the protocol (RFC 6455) does not."""

from __future__ import annotations

from typing import Any

from aiohttp import WebSocketError, WSCloseCode

_CLOSE = 8
_CLOSE_CODES = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))
"""Codes that a close may carry, beside those of libraries and applications (3000 to 4999)."""


class FrameGuard:
    """A reader of frames that looks at each of them before aiohttp's own reader does."""

    def __init__(self, reader: Any, queue: Any, *, masked: bool) -> None:
        """Prepare it.

        Args:
            reader: aiohttp's reader.
            queue: Where that puts messages, and this one errors.
            masked: Whether frames have to be masked; those of clients are, those of servers are not.
        """
        self._reader = reader
        self._queue = queue
        self._masked = masked
        self._header = bytearray()
        self._left = 0  # bytes of the payload that are missing
        self._closing: bytearray | None = None  # the payload of a close
        self._in_message = False
        self._failed = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Read what has arrived; returns whether the protocol was broken, and nothing."""
        if self._failed:
            return True, b""
        position = begin = 0
        try:
            while position < len(data):
                if not self._left and not self._header:
                    begin = position  # of the frame
                position = self._header_from(data, position) if not self._left else self._payload_from(data, position)
        except WebSocketError as error:
            self._failed = True
            if begin:
                self._reader.feed_data(data[:begin])
            self._queue.set_exception(error)
            return True, b""
        broken, _ = self._reader.feed_data(data)
        return broken, b""

    def feed_eof(self) -> None:
        """The connection has ended."""
        self._reader.feed_eof()

    def _header_from(self, data: bytes, position: int) -> int:
        header = self._header
        missing = self._header_length() - len(header)
        header += data[position : position + missing]
        position += missing
        if len(header) < 2 or len(header) < self._header_length():
            return position
        self._check_header(header[0], header[1])
        length = header[1] & 0x7F
        if length > 125:
            size = 2 if length == 126 else 8
            self._left = int.from_bytes(header[2 : 2 + size])
            if self._left < (126 if size == 2 else 1 << 16):
                raise _broken("a length of a frame that is not in its shortest form")
        else:
            self._left = length
        if header[0] & 0xF == _CLOSE:
            self._closing = bytearray()
        if self._left == 0 or self._closing is None:
            self._closing = None
            header.clear()
        return position

    def _header_length(self) -> int:
        if len(self._header) < 2:
            return 2
        length = self._header[1]
        return 2 + {126: 2, 127: 8}.get(length & 0x7F, 0) + (4 if length & 0x80 else 0)

    def _check_header(self, first: int, second: int) -> None:
        if bool(second & 0x80) is not self._masked:
            raise _broken("a frame that is not masked" if self._masked else "a masked frame")
        opcode = first & 0xF
        if opcode >= 8:
            if first & 0x70:
                raise _broken("a control frame with reserved bits")
            return
        if (opcode == 0) is not self._in_message:
            raise _broken("a message inside of another" if self._in_message else "a continuation of no message")
        self._in_message = not first & 0x80

    def _payload_from(self, data: bytes, position: int) -> int:
        taken = data[position : position + self._left]
        self._left -= len(taken)
        if self._closing is not None:
            self._closing += taken
            if self._left == 0:
                self._check_close(self._closing)
                self._closing = None
                self._header.clear()
        return position + len(taken)

    def _check_close(self, payload: bytearray) -> None:
        if len(payload) < 2:
            return
        code = int.from_bytes(payload[:2])
        if self._masked:
            code ^= int.from_bytes(self._header[-4:-2])
        if code not in _CLOSE_CODES and not 3000 <= code <= 4999:
            raise _broken(f"close code {code}")


def _broken(problem: str) -> WebSocketError:
    return WebSocketError(WSCloseCode.PROTOCOL_ERROR, problem)
