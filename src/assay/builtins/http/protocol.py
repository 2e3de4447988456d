"""aiohttp's low-level server, with answers of our own to what is no HTTP, and for clients that say no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web
from aiohttp.http import WebSocketReader
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from assay.builtins.http.answers import plain
from assay.builtins.http.heads import HeadFinder
from assay.builtins.websocket.frames import FrameGuard
from assay.builtins.websocket.sockets import ServerSocket

_CHECK_INTERVAL = 0.05
"""Seconds between two checks of a half-closed connection."""


class Server(web.Server):
    """A server whose connections speak as below."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        half_close_timeout: float,
        **options: Any,
    ) -> None:
        """Prepare it; a handler whose client goes is cancelled.

        Args:
            handler: What answers requests.
            half_close_timeout: Seconds that it has for clients that have ended their side of the connection.
            options: Those of aiohttp's `RequestHandler`.
        """
        super().__init__(handler, handler_cancellation=True)
        self.half_close_timeout = half_close_timeout
        self._options = options

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of a connection."""
        return Protocol(self, loop=asyncio.get_running_loop(), **self._options)


class Protocol(web.RequestHandler):
    """A connection.

    Attributes:
        socket: The WebSocket that it speaks, if it does.
    """

    __slots__ = ("_body", "_closing", "_ended", "_failed", "_heads", "_held", "_patience", "socket")

    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._heads = HeadFinder()
        self._held = b""
        self._body: StreamReader = EMPTY_PAYLOAD  # of the last request
        self._failed = False
        self._ended = False
        self._patience = server.half_close_timeout
        self._closing: asyncio.TimerHandle | None = None
        self.socket: ServerSocket | None = None

    @property
    def ending(self) -> bool:
        """True if no answer follows the current one, because the client has ended its side."""
        return self._ended and not self._messages

    def data_received(self, data: bytes) -> None:
        """Take what has arrived, one request at a time, so that what is wrong with one does not cost another."""
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
            else:  # aiohttp's word for an error
                self._failed = True
                self._break_off()

    def _break_off(self) -> None:
        """Fail the read of a body that stays incomplete."""
        if not self._body.is_eof():
            self._body.set_exception(web.RequestPayloadError("the body broke off"))

    def eof_received(self) -> bool | None:  # type: ignore[override] # asyncio's own says so
        """The client says no more: answer what it has asked, if that does not take too long.

        A client that is gone looks the same.
        """
        if self._payload_parser is not None or self._is_idle():
            return None
        self._ended = True
        self._break_off()
        self._close_later(0, self._loop.time())
        return True

    def _is_idle(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _close_later(self, sent: int, since: float) -> None:
        """Close the connection when all is answered, or when nothing of an answer has been sent for too long.

        Args:
            sent: Bytes of the answer that had been sent at the last check.
            since: When that number was first seen.
        """
        request, now = self._current_request, self._loop.time()
        output = sent if request is None else request.writer.output_size
        if output != sent:
            sent, since = output, now
        left = since + self._patience - now
        if left <= 0 or self._is_idle():
            self.force_close()
        else:
            self._closing = self._loop.call_later(min(left, _CHECK_INTERVAL), self._close_later, sent, since)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""
        if self._closing is not None:
            self._closing.cancel()
        super().connection_lost(exc)

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """Speak WebSocket from now on."""
        assert self.socket is not None
        super().set_parser(cast(WebSocketReader, FrameGuard(parser, self.socket.queue, masked=True)), data_received_cb)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, in fewer words about its insides than aiohttp does."""
        if request.writer.output_size > 0:
            raise ConnectionError("another answer is under way")
        if "Invalid HTTP version" in (message or ""):
            status = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
        answer = plain(status, HTTPStatus(status).phrase.lower())
        answer.force_close()
        return answer


def says_no_more(request: web.BaseRequest) -> bool:
    """Return true if a request is the last of its connection, because the client has ended its side."""
    return isinstance(request.protocol, Protocol) and request.protocol.ending
