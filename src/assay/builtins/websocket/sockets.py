"""aiohttp's WebSockets with validated frames and correct close codes."""

from __future__ import annotations

import zlib
from typing import Any

import aiohttp
from aiohttp import WSCloseCode, web
from aiohttp.abc import AbstractStreamWriter


class ServerSocket(web.WebSocketResponse):
    """A WebSocket of a server."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Answer the handshake."""
        request.protocol.socket = self  # type: ignore[attr-defined]
        return await super().prepare(request)

    @property
    def queue(self) -> Any:
        """The queue of received messages."""
        return self._reader

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """Close the connection, or answer the peer's close frame."""
        return await super().close(code=_code(self, code), message=message, drain=drain)


class ClientSocket(aiohttp.ClientWebSocketResponse):
    """A WebSocket of a client.

    Attributes:
        handshake: The server's response to the handshake.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.handshake: aiohttp.ClientResponse = self._response

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"") -> bool:
        """Close the connection, or answer the peer's close frame."""
        return await super().close(code=_code(self, code), message=message)


def _code(socket: ServerSocket | ClientSocket, code: int) -> int:
    """Return the code to send; aiohttp uses 1000 where it does not choose a code itself."""
    if code != WSCloseCode.OK:
        return code
    if isinstance(socket.exception(), zlib.error):
        return WSCloseCode.INVALID_TEXT
    if socket.close_code and socket.close_code != WSCloseCode.ABNORMAL_CLOSURE:
        return socket.close_code  # the peer's
    return code
