"""aiohttp's WebSockets, with frames that are looked at, and closes with the right code."""

from __future__ import annotations

import zlib
from typing import Any

import aiohttp
from aiohttp import WSCloseCode, web
from aiohttp.abc import AbstractStreamWriter


class ServerSocket(web.WebSocketResponse):
    """A WebSocket at the server's end."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Answer the handshake."""
        request.protocol.socket = self  # type: ignore[attr-defined]
        return await super().prepare(request)

    @property
    def queue(self) -> Any:
        """Return where messages wait to be received."""
        return self._reader

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        """Close it, or answer the other side's close."""
        return await super().close(code=_code(self, code), message=message, drain=drain)


class ClientSocket(aiohttp.ClientWebSocketResponse):
    """A WebSocket at the client's end.

    Attributes:
        handshake: The server's answer to the handshake.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.handshake: aiohttp.ClientResponse = self._response

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"") -> bool:
        """Close it, or answer the other side's close."""
        return await super().close(code=_code(self, code), message=message)


def _code(socket: ServerSocket | ClientSocket, code: int) -> int:
    """The code of a close; aiohttp takes 1000 for all that it does not decide itself."""
    if code != WSCloseCode.OK:
        return code
    if isinstance(socket.exception(), zlib.error):
        return WSCloseCode.INVALID_TEXT
    if socket.close_code and socket.close_code != WSCloseCode.ABNORMAL_CLOSURE:
        return socket.close_code  # the other side's
    return code
