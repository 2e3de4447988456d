"""aiohttp's low-level server, with answers of our own to what is no HTTP, and for clients that say no more."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web
from aiohttp.http import WebSocketReader
from aiohttp.http_exceptions import HttpProcessingError

from assay.builtins.http.answers import plain
from assay.builtins.http.heads import HeadFinder
from assay.builtins.ws.frames import FrameGuard
from assay.builtins.ws.sockets import ServerSocket


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
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._options)


class _Protocol(web.RequestHandler):
    # aiohttp's class has slots
    __slots__ = ("_ended", "_give_up", "_heads", "_patience", "socket")

    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._parser: Any = _Parser(self._parser)
        self._heads = HeadFinder()
        self._patience = server.half_close_timeout
        self._ended = False
        self._give_up: asyncio.TimerHandle | None = None
        self.socket: ServerSocket | None = None

    def data_received(self, data: bytes) -> None:
        """Take what has arrived, one request at a time, so that what is wrong with one does not cost another."""
        while data and self._parser is not None:
            if self._parser.failed:
                return
            if self._upgraded or self._parser.in_body or len(self._messages) >= self._max_msg_queue_size:
                break
            head, data = self._heads.split(data)
            super().data_received(head)
            if not data:
                return
        super().data_received(data)

    def eof_received(self) -> bool | None:  # type: ignore[override] # asyncio's own says so
        """The client says no more: answer what it has asked, if that does not take too long.

        A client that is gone looks the same.
        """
        if self._upgraded or (self._waiter is not None and not self._waiter.done()):
            return None
        self._ended = True
        self._parser.end()
        if not math.isinf(self._patience):
            self._give_up = self._loop.call_later(self._patience, self.force_close)
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone."""
        if self._give_up is not None:
            self._give_up.cancel()
        super().connection_lost(exc)

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """Speak WebSocket from now on."""
        assert self.socket is not None
        super().set_parser(cast(WebSocketReader, FrameGuard(parser, self.socket.queue, masked=True)), data_received_cb)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; behind the last one for a client that says no more the connection is closed."""
        if self._ended and not self._messages:
            resp.force_close()
        resp, reset = await super().finish_response(request, resp, start_time)
        if self._ended and not self._messages:
            resp.force_close()
        return resp, reset

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


class _Parser:
    """aiohttp's parser; a body that it cannot read, or that never becomes complete, is an error for its reader too."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self._payload: Any = None
        self.failed = False

    @property
    def in_body(self) -> bool:
        """Whether the last request's body is incomplete."""
        return self._payload is not None and not self._payload.is_eof()

    def feed_data(self, data: bytes) -> Any:
        try:
            result = self._parser.feed_data(data)
        except HttpProcessingError:
            self.failed = True
            self.end()
            raise
        if result[0]:
            self._payload = result[0][-1][1]
        return result

    def end(self) -> None:
        """Nothing follows."""
        if self.in_body:
            self._payload.set_exception(web.RequestPayloadError("the body broke off"))

    def message_consumed(self) -> None:
        self._parser.message_consumed()

    def pause_reading(self) -> None:
        self._parser.pause_reading()

    def set_upgraded(self, value: bool) -> None:
        self._parser.set_upgraded(value)
