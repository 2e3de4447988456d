"""Messages of the Debug Adapter Protocol: JSON with a Content-Length header, as in the Language Server Protocol."""

from __future__ import annotations

import json
import threading
from typing import Any, BinaryIO

from assay.errors import AssayError

Message = dict[str, Any]

MAX_LENGTH = 64 << 20
"""Maximum size of a message, in bytes."""


class WireFormatError(AssayError):
    """A malformed message."""


def read_message(stream: BinaryIO) -> Message | None:
    """Read one message, or return None at the end of the stream. Raises WireFormatError."""
    length = -1
    while True:
        line = stream.readline(4096)
        if not line:
            return None
        name, colon, value = line.partition(b":")
        if not colon:
            if line.strip():
                raise WireFormatError("expected a header such as Content-Length: 100")
            break
        if name.strip().lower() == b"content-length":
            length = int(value) if value.strip().isdigit() else -1
    if not 0 <= length <= MAX_LENGTH:
        raise WireFormatError("expected a Content-Length header before each message")
    body = stream.read(length)
    if len(body) < length:
        return None
    try:
        message = json.loads(body)
    except ValueError as error:
        raise WireFormatError(f"a message is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise WireFormatError("a message is not a JSON object")
    return message


class Writer:
    """Writes numbered messages. Thread-safe."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._last = 0

    def write(self, **fields: Any) -> None:
        """Write a message; do nothing if the editor has disconnected."""
        with self._lock:
            self._last += 1
            body = json.dumps({"seq": self._last, **fields}).encode()
            try:
                self._stream.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
                self._stream.flush()
            except OSError:
                return

    def event(self, name: str, **body: Any) -> None:
        """Write an event."""
        self.write(type="event", event=name, body=body)

    def answer(self, request: Message, body: Message | None = None) -> None:
        """Write the response to a successful request."""
        self._respond(request, success=True, body=body or {})

    def refuse(self, request: Message, message: str, *, shown: bool = False) -> None:
        """Write the response to a failed request; if `shown`, the editor shows the message to the user."""
        error = {"id": 1, "format": "{text}", "variables": {"text": message}, "showUser": shown}
        self._respond(request, success=False, message=message, body={"error": error})

    def _respond(self, request: Message, **fields: Any) -> None:
        self.write(type="response", request_seq=request["seq"], command=request["command"], **fields)
