"""The server's connections: aiohttp's low-level server with plainer error responses and support for half-close.

A client that shuts down its sending side may still read responses, so its pending requests are answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web
from aiohttp.http import WebSocketReader
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from assay.builtins.http.head_splitter import HeadSplitter
from assay.builtins.http.responses import text_response
from assay.builtins.websocket.frames import FrameGuard
from assay.builtins.websocket.sockets import ServerSocket

_CHECK_INTERVAL = 0.05
"""Interval between checks of a half-closed connection, in seconds."""


class Server(web.Server):
    """A server whose connections use Protocol."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        half_close_timeout: float,
        **options: Any,
    ) -> None:
        """Create a server that cancels the handlers of clients that disconnect.

        Args:
            handler: Function that returns the response to a request.
            half_close_timeout: Maximum time without progress of a response to a half-closed client, in seconds.
            options: Options of aiohttp's `RequestHandler`.
        """
        super().__init__(handler, handler_cancellation=True)
        self.half_close_timeout = half_close_timeout
        self._options = options

    def __call__(self) -> web.RequestHandler:
        """Return the protocol for a new connection."""
        return Protocol(self, loop=asyncio.get_running_loop(), **self._options)


class Protocol(web.RequestHandler):
    """A connection.

    Attributes:
        socket: The WebSocket, if the connection was upgraded.
    """

    __slots__ = ("_body", "_close_timer", "_failed", "_half_close_timeout", "_half_closed", "_heads", "_held", "socket")

    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._heads = HeadSplitter()
        self._held = b""
        self._body: StreamReader = EMPTY_PAYLOAD  # of the last request
        self._failed = False
        self._half_closed = False
        self._half_close_timeout = server.half_close_timeout
        self._close_timer: asyncio.TimerHandle | None = None
        self.socket: ServerSocket | None = None

    @property
    def is_last_response(self) -> bool:
        """True if the client has closed its side and no other request is pending."""
        return self._half_closed and not self._messages

    def data_received(self, data: bytes) -> None:
        """Parse received data one request at a time, so that a malformed request does not affect those before it."""
        if self._held:
            data, self._held = self._held + data, b""
        while data and not self._upgraded and self._body.is_eof():
            if len(self._messages) >= self._max_msg_queue_size:
                self._held = data  # aiohttp has stopped reading, and calls again when there is room
                return
            head, data = self._heads.split(data)
            self._feed(head)
            if not data:
                return
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        if self._failed:
            return
        messages = self._messages
        count = len(messages)
        super().data_received(data)
        if len(messages) > count:
            message, body = messages[-1]
            if hasattr(message, "method"):
                self._body = body
            else:  # how aiohttp represents a malformed request
                self._failed = True
                self._fail_body()

    def _fail_body(self) -> None:
        """Fail the read of an incomplete body."""
        if not self._body.is_eof():
            self._body.set_exception(web.RequestPayloadError("incomplete body"))

    def eof_received(self) -> bool | None:  # type: ignore[override] # asyncio's own signature
        """Handle the client's half-close: answer the pending requests for a limited time.

        A client that has disconnected looks the same.
        """
        if self._payload_parser is not None or self._is_idle():
            return None
        self._half_closed = True
        self._fail_body()
        self._close_when_done(0, self._loop.time())
        return True

    def _is_idle(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _close_when_done(self, sent: int, since: float) -> None:
        """Close the connection when all requests are answered, or when no data has been sent for too long.

        Args:
            sent: Bytes of the response sent at the last check.
            since: Time of the last progress.
        """
        request, now = self._current_request, self._loop.time()
        output = sent if request is None else request.writer.output_size
        if output != sent:
            sent, since = output, now
        remaining = since + self._half_close_timeout - now
        if remaining <= 0 or self._is_idle():
            self.force_close()
        else:
            delay = min(remaining, _CHECK_INTERVAL)
            self._close_timer = self._loop.call_later(delay, self._close_when_done, sent, since)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Handle the loss of the connection."""
        if self._close_timer is not None:
            self._close_timer.cancel()
        super().connection_lost(exc)

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """Switch to WebSocket."""
        assert self.socket is not None
        super().set_parser(cast(WebSocketReader, FrameGuard(parser, self.socket.queue, masked=True)), data_received_cb)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to a malformed request, without the internal details that aiohttp includes."""
        if request.writer.output_size > 0:
            raise ConnectionError("a response has already started")
        if "Invalid HTTP version" in (message or ""):
            status = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
        response = text_response(status, HTTPStatus(status).phrase.lower())
        response.force_close()
        return response


def is_last_request(request: web.BaseRequest) -> bool:
    """Return true if no request follows on the connection, because the client has closed its side."""
    return isinstance(request.protocol, Protocol) and request.protocol.is_last_response
