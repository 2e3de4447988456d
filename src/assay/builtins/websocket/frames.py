"""Protocol checks (RFC 6455) that aiohttp's WebSocket reader omits."""

from __future__ import annotations

from typing import Any

from aiohttp import WebSocketError, WSCloseCode

_CLOSE = 8
_CLOSE_CODES = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))
"""Valid close codes, in addition to those of libraries and applications (3000 to 4999)."""


class FrameGuard:
    """A frame reader that validates each frame before aiohttp's reader receives it."""

    def __init__(self, reader: Any, queue: Any, *, masked: bool) -> None:
        """Wrap aiohttp's reader.

        Args:
            reader: aiohttp's reader.
            queue: The queue of received messages, to which errors are reported.
            masked: True if frames must be masked, as those of clients; false if they must not, as those of servers.
        """
        self._reader = reader
        self._queue = queue
        self._masked = masked
        self._header = bytearray()
        self._remaining = 0  # bytes of the payload still to be read
        self._close_payload: bytearray | None = None  # of the current close frame
        self._in_message = False
        self._failed = False

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Read received data; return true if the protocol was violated, and no remaining data."""
        if self._failed:
            return True, b""
        position = frame_start = 0
        try:
            while position < len(data):
                if not self._remaining and not self._header:
                    frame_start = position
                read = self._read_payload if self._remaining else self._read_header
                position = read(data, position)
        except WebSocketError as error:
            self._failed = True
            if frame_start:
                self._reader.feed_data(data[:frame_start])
            self._queue.set_exception(error)
            return True, b""
        failed, _ = self._reader.feed_data(data)
        return failed, b""

    def feed_eof(self) -> None:
        """Handle the end of the connection."""
        self._reader.feed_eof()

    def _read_header(self, data: bytes, position: int) -> int:
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
            self._remaining = int.from_bytes(header[2 : 2 + size])
            if self._remaining < (126 if size == 2 else 1 << 16):
                raise _protocol_error("frame length not in its shortest form")
        else:
            self._remaining = length
        if header[0] & 0xF == _CLOSE:
            self._close_payload = bytearray()
        if self._remaining == 0 or self._close_payload is None:
            self._close_payload = None
            header.clear()
        return position

    def _header_length(self) -> int:
        if len(self._header) < 2:
            return 2
        length = self._header[1]
        return 2 + {126: 2, 127: 8}.get(length & 0x7F, 0) + (4 if length & 0x80 else 0)

    def _check_header(self, first: int, second: int) -> None:
        if bool(second & 0x80) is not self._masked:
            raise _protocol_error("unmasked frame" if self._masked else "masked frame")
        opcode = first & 0xF
        if opcode >= 8:
            if first & 0x70:
                raise _protocol_error("control frame with reserved bits")
            return
        if (opcode == 0) is not self._in_message:
            problem = "new message within a fragmented one" if self._in_message else "continuation without a message"
            raise _protocol_error(problem)
        self._in_message = not first & 0x80

    def _read_payload(self, data: bytes, position: int) -> int:
        chunk = data[position : position + self._remaining]
        self._remaining -= len(chunk)
        if self._close_payload is not None:
            self._close_payload += chunk
            if self._remaining == 0:
                self._check_close(self._close_payload)
                self._close_payload = None
                self._header.clear()
        return position + len(chunk)

    def _check_close(self, payload: bytearray) -> None:
        if len(payload) < 2:
            return
        code = int.from_bytes(payload[:2])
        if self._masked:
            code ^= int.from_bytes(self._header[-4:-2])
        if code not in _CLOSE_CODES and not 3000 <= code <= 4999:
            raise _protocol_error(f"invalid close code {code}")


def _protocol_error(problem: str) -> WebSocketError:
    return WebSocketError(WSCloseCode.PROTOCOL_ERROR, problem)
