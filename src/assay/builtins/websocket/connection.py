"""An open WebSocket, at either end."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from assay.builtins.websocket.options import ReceiveOptions, SendOptions
from assay.errors import BuiltinError, ErrorObject
from assay.lua.declare import method
from assay.lua.outcomes import Results

if TYPE_CHECKING:
    import asyncio

    from aiohttp import ClientWebSocketResponse
    from aiohttp.web import WebSocketResponse

CLOSE_TIMEOUT = 5.0
"""Seconds that the other side has to answer a close."""


class Connection:
    """An open WebSocket, at either end. Its methods are functions of `ws` too."""

    lua_name: ClassVar[str] = "ws.Connection"
    lua_prefix: ClassVar[str] = "conn"

    def __init__(self, socket: ClientWebSocketResponse | WebSocketResponse, peer: str) -> None:
        import asyncio

        self._socket = socket
        self._peer = peer
        self._receiving = asyncio.Lock()
        self._ended: tuple[int, str] | None = None
        self._closed_here = False
        self._leaving: asyncio.Task[None] | None = None

    @method
    async def send(self, message: bytes, options: SendOptions | None = None) -> None:
        """Send a message; waits while the other side is slow.

        Args:
            message: The text, or the bytes.
            options: How to send it.
        """
        from aiohttp import WSMsgType

        if options is not None and options.binary:
            kind = WSMsgType.BINARY
        else:
            kind = WSMsgType.TEXT
            try:
                message.decode()
            except UnicodeDecodeError:
                problem = "bad argument 'message' (UTF-8 text expected; {binary = true} sends bytes)"
                raise BuiltinError(problem) from None
        await self._write("ws.send", message, kind)

    @method
    async def recv(self, options: ReceiveOptions | None = None) -> Results:
        """Wait for a message; returns it, and "text" or "binary". Concurrent waiters get one each, in turn.

        When the connection was closed in order it returns nil, the code and the reason of the close.

        Args:
            options: How to wait.
        """
        import asyncio
        import zlib

        from aiohttp import WSMsgType

        seconds = options.timeout if options is not None else None
        try:
            async with asyncio.timeout(seconds), self._receiving:
                if self._ended is not None:
                    return Results((None, *self._ended))
                message = await self._socket.receive()
        except TimeoutError:
            raise ErrorObject(f"ws.recv failed: no message within {seconds:g} s", kind="timeout") from None
        if message.type is WSMsgType.TEXT:
            return Results((message.data, "text"))
        if message.type is WSMsgType.BINARY:
            return Results((message.data, "binary"))
        if message.type is WSMsgType.CLOSE:
            self._ended = message.data or 1005, message.extra or ""
        elif message.type is WSMsgType.ERROR:
            code, text = int(getattr(message.data, "code", 1006)), str(message.data)
            if isinstance(message.data, zlib.error):
                code, text = 1007, "a compressed message that cannot be decompressed"
            kind = "closed" if code == 1006 else "protocol"
            raise ErrorObject(f"ws.recv failed: {self._peer}: {text}", kind=kind, code=code)
        elif not self._closed_here:
            raise ErrorObject(f"ws.recv failed: {self._peer} is gone", kind="closed", code=1006)
        return Results((None, *(self._ended or (1000, ""))))

    @method
    async def ping(self) -> None:
        """Send a ping. Pings of the other side are answered without the script, while it waits for a message."""
        from aiohttp import WSMsgType

        await self._write("ws.ping", b"", WSMsgType.PING)

    @method
    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection; one that is closed already is not an error.

        Args:
            code: Why, as a number: 1000, or 3000 to 4999.
            reason: Why, in up to 123 bytes.
        """
        if code != 1000 and not 3000 <= code <= 4999 and code not in (1001, 1003, 1008, 1009, 1011):
            raise BuiltinError(f"bad argument 'code' (1000 or 3000 to 4999 expected, got {code})")
        if len(reason.encode()) > 123:
            raise BuiltinError(f"bad argument 'reason' (up to 123 bytes expected, got {len(reason.encode())})")
        await self.leave(code, reason)

    async def leave(self, code: int, reason: str = "") -> None:
        """Close it, with any code."""
        import asyncio

        self._closed_here = True
        if self._ended is None:
            self._ended = code, reason
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._socket.close(code=code, message=reason.encode())
        except TimeoutError:
            pass

    def release(self) -> None:
        """Lua has collected the handle."""
        import asyncio

        if not self._socket.closed:
            self._leaving = asyncio.ensure_future(self.leave(1001))

    async def _write(self, title: str, message: bytes, kind: object) -> None:
        if self._socket.closed:
            raise ErrorObject(f"{title} failed: the connection is closed", kind="closed")
        try:
            await self._socket.send_frame(message, kind)  # type: ignore[arg-type]
        except ConnectionError:
            raise ErrorObject(f"{title} failed: {self._peer} is gone", kind="closed") from None
