"""The WebSocket connection of clients and servers."""

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
"""Time to wait for the peer's close frame, in seconds."""


class Connection:
    """An open WebSocket of a client or a server. Its methods are also functions of `ws`."""

    lua_name: ClassVar[str] = "ws.Connection"
    lua_prefix: ClassVar[str] = "conn"

    def __init__(self, socket: ClientWebSocketResponse | WebSocketResponse, peer: str) -> None:
        import asyncio

        self._socket = socket
        self._peer = peer
        self._receiving = asyncio.Lock()
        self._ended: tuple[int, str] | None = None
        self._closed_here = False
        self._close_task: asyncio.Task[None] | None = None  # keeps a reference to the task

    @method
    async def send(self, message: bytes, options: SendOptions | None = None) -> None:
        """Send a message; wait if the peer reads slowly.

        Args:
            message: Text or bytes.
            options: Options of the message.
        """
        from aiohttp import WSMsgType

        if options is not None and options.binary:
            kind = WSMsgType.BINARY
        else:
            kind = WSMsgType.TEXT
            try:
                message.decode()
            except UnicodeDecodeError:
                problem = "bad argument 'message' (valid UTF-8 expected; use {binary = true} to send bytes)"
                raise BuiltinError(problem) from None
        await self._write("ws.send", message, kind)

    @method
    async def recv(self, options: ReceiveOptions | None = None) -> Results:
        """Wait for a message; return it and its type, "text" or "binary".

        After a clean close, return nil, the close code and the reason. Concurrent calls receive messages in the order
        of the calls.

        Args:
            options: Options of the wait.
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
                code, text = 1007, "cannot decompress a message"
            kind = "closed" if code == 1006 else "protocol"
            raise ErrorObject(f"ws.recv failed: {self._peer}: {text}", kind=kind, code=code)
        elif not self._closed_here:
            raise ErrorObject(f"ws.recv failed: {self._peer} disconnected", kind="closed", code=1006)
        assert self._ended is not None  # set above or by `leave`
        return Results((None, *self._ended))

    @method
    async def ping(self) -> None:
        """Send a ping. Pings of the peer are answered automatically while a `recv` waits."""
        from aiohttp import WSMsgType

        await self._write("ws.ping", b"", WSMsgType.PING)

    @method
    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection; do nothing if it is closed already.

        Args:
            code: The close code: 1000, or 3000 to 4999.
            reason: The reason, up to 123 bytes.
        """
        if code != 1000 and not 3000 <= code <= 4999 and code not in (1001, 1003, 1008, 1009, 1011):
            raise BuiltinError(f"bad argument 'code' (1000 or 3000 to 4999 expected, got {code})")
        if len(reason.encode()) > 123:
            raise BuiltinError(f"bad argument 'reason' (up to 123 bytes expected, got {len(reason.encode())})")
        await self.leave(code, reason)

    async def leave(self, code: int, reason: str = "") -> None:
        """Close the connection with any code."""
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
        """Close the connection after Lua has collected the handle."""
        import asyncio

        if not self._socket.closed:
            self._close_task = asyncio.ensure_future(self.leave(1001))

    async def _write(self, title: str, message: bytes, kind: object) -> None:
        if self._socket.closed:
            raise ErrorObject(f"{title} failed: the connection is closed", kind="closed")
        try:
            await self._socket.send_frame(message, kind)  # type: ignore[arg-type]
        except ConnectionError:
            raise ErrorObject(f"{title} failed: {self._peer} disconnected", kind="closed") from None
