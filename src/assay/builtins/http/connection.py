"""The client's connections: what comes behind an answer, and requests that a kept connection has lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from assay.builtins.http import transport
from assay.builtins.http.heads import HeadFinder
from assay.builtins.ws.frames import FrameGuard

CONTINUE_TIMEOUT = 1.0
"""Seconds to wait for a "100 Continue"; then the body is sent without it, as curl does."""


class LostConnectionError(aiohttp.ClientConnectionError):
    """A connection that ended before the head of the answer was complete.

    Attributes:
        heard: Whether something of it had come.
    """

    def __init__(self, *arguments: object, heard: bool) -> None:
        super().__init__(*arguments)
        self.heard = heard


class Connector(aiohttp.TCPConnector):
    """Connections that drop what comes behind an answer."""

    def __init__(self) -> None:
        super().__init__(limit=0)
        self._factory: Any = lambda: Protocol(asyncio.get_running_loop())  # aiohttp has no other place for it


class Protocol(ResponseHandler):
    """One connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.requests = 0
        self.heard = False

    def set_response_params(self, **options: Any) -> None:
        """Prepare for the answer to the next request."""
        self.heard = False
        self.requests += 1
        super().set_response_params(**options)
        self._parser: Any = _AnswerParser(self, self._parser)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived."""
        if data:
            self.heard = True
        super().data_received(data)

    def set_parser(self, parser: Any, payload: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """Speak WebSocket from now on."""
        super().set_parser(FrameGuard(parser, payload, masked=False), payload, data_received_cb)

    def drop(self) -> None:
        """Close the connection behind the answer, whose rest may still be read."""
        self.force_close()
        self.close()


class _AnswerParser:
    """aiohttp's parser up to the end of one answer.

    Bytes behind it (a body after a 204 or a HEAD, more than Content-Length) do not spoil the answer, but its connection
    is not used again.
    """

    def __init__(self, protocol: Protocol, parser: Any) -> None:
        self._protocol = protocol
        self._parser = parser
        self._heads = HeadFinder()
        self._payload: Any = None  # of the answer, once its head has come
        self._left: int | None = None
        self._upgraded = False

    def feed_data(self, data: bytes) -> tuple[list[Any], bool, bytes]:
        """Parse what has arrived; returns messages, whether the protocol changes, and what belongs to the other one."""
        messages: list[Any] = []
        while self._payload is None:
            head, data = self._heads.split(data)
            found, self._upgraded, tail = self._parser.feed_data(head)
            for message, payload in found:
                messages.append((message, payload))
                if message.code >= 200 or message.code == 101:
                    self._begin(message, payload)
            if self._upgraded:
                return messages, True, tail + data
            if not data:
                return messages, False, b""
        self._feed_body(data)
        return messages, False, b""

    def _begin(self, message: Any, payload: Any) -> None:
        self._payload = payload
        length = message.headers.get(hdrs.CONTENT_LENGTH, "")
        if not message.chunked and length.isdecimal():
            self._left = int(length)

    def _feed_body(self, data: bytes) -> None:
        surplus = b""
        if self._left is not None:
            data, surplus = data[: self._left], data[self._left :]
            self._left -= len(data)
        if self._payload.is_eof() and not self._upgraded:
            surplus = data + surplus
        else:
            try:
                self._parser.feed_data(data)
            except Exception:
                if not self._payload.is_eof():
                    raise
                surplus = data
        if surplus:
            self._protocol.drop()

    def feed_eof(self) -> Any:
        """The connection has ended."""
        if self._payload is not None and self._payload.is_eof():
            return None
        return self._parser.feed_eof()

    def pause_reading(self) -> None:
        """Stop behind the piece of the body that is being fed."""
        self._parser.pause_reading()


class Request(transport.Request):
    """A request that knows whether it may be sent again."""

    _connection: Protocol | None = None
    _waiting: asyncio.TimerHandle | None = None

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send it."""
        assert isinstance(conn.protocol, Protocol)
        self._connection = conn.protocol
        return await super().send(conn)

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """Send the body, after a "100 Continue" if the caller asks for one."""
        protocol, expected = conn.protocol, self._continue
        if expected is not None:
            self._waiting = self.loop.call_later(CONTINUE_TIMEOUT, _allow, expected)
        try:
            await super().write_bytes(writer, conn, content_length)
        except ConnectionError as error:
            if protocol is not None:
                protocol.set_exception(aiohttp.ClientOSError(*error.args), error)

    def stop_waiting(self) -> None:
        """The answer is there, so a body that has not begun is not sent any more."""
        if self._waiting is not None:
            self._waiting.cancel()

    @property
    def lost_by_kept_connection(self) -> bool:
        """Whether it went over a connection from before, nothing came back, and its body can be sent again."""
        if self._connection is None or self._connection.requests < 2 or self.heard:
            return False
        return not getattr(self.body, "consumed", False)

    @property
    def heard(self) -> bool:
        """Whether something of the answer has come."""
        return self._connection is not None and self._connection.heard


def _allow(expected: asyncio.Future[bool]) -> None:
    if not expected.done():
        expected.set_result(True)


async def resend(request: aiohttp.ClientRequest, send: ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request, and again over another connection when a kept one turns out to be closed by the server.

    Not aiohttp's own way, which leaves a POST alone, and sends a GET twice over new connections too.
    """
    assert isinstance(request, Request)
    while True:
        try:
            return await send(request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError, aiohttp.ClientConnectionResetError) as error:
            if not request.lost_by_kept_connection:
                raise LostConnectionError(*error.args, heard=request.heard) from error
            request.update_expect_continue()
        finally:
            request.stop_waiting()
