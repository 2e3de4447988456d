"""The client's connections: what comes behind an answer, and requests that a kept connection has lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver, AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from multidict import CIMultiDictProxy

from assay.builtins.http import transport
from assay.builtins.http.heads import HeadFinder
from assay.builtins.websocket.frames import FrameGuard

CONTINUE_TIMEOUT = 1.0
"""Seconds to wait for a "100 Continue"; then the body is sent without it, as curl does."""


class LostConnectionError(aiohttp.ClientConnectionError):
    """A connection that ended before the head of the answer was complete.

    Not aiohttp's own errors, upon which it sends some requests again, over new connections too, and never a POST.

    Attributes:
        heard: Whether something of the answer had come.
        kept: Whether the connection had been used before; so the server may have closed it before the request came,
            which can be sent again when nothing was heard.
    """

    def __init__(self, protocol: Protocol, error: BaseException) -> None:
        super().__init__(*error.args)
        self.heard = protocol.heard
        self.kept = protocol.requests > 1
        self.__cause__ = error


class Connector(aiohttp.TCPConnector):
    """Connections as below."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        super().__init__(limit=0, resolver=resolver)
        self._factory: Any = lambda: Protocol(asyncio.get_running_loop())  # aiohttp has no other place for it


class Protocol(ResponseHandler):
    """One connection.

    Attributes:
        requests: How many were sent over it.
        heard: Whether something has come since the last one.
    """

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

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """End the wait for an answer."""
        if isinstance(
            exc, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError | aiohttp.ClientConnectionResetError
        ):
            exc = LostConnectionError(self, exc)
            cause = ()
        super().set_exception(exc, *cause)

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

    __slots__ = ("_heads", "_left", "_parser", "_payload", "_protocol")

    def __init__(self, protocol: Protocol, parser: Any) -> None:
        self._protocol = protocol
        self._parser = parser
        self._heads: HeadFinder | None = None
        self._payload: Any = None  # of the answer, once its head has come
        self._left: int | None = None

    def feed_data(self, data: bytes) -> tuple[list[Any], bool, bytes]:
        """Parse what has arrived; returns messages, whether the protocol changes, and what belongs to the other one."""
        self._protocol.heard = True
        if self._payload is not None:
            self._feed_body(data)
            return [], False, b""
        messages: list[Any] = []
        self._heads = self._heads or HeadFinder()
        while True:
            head, data = self._heads.split(data)
            found, upgraded, tail = self._parser.feed_data(head)
            for message, payload in found:
                messages.append((message, payload))
                if message.code >= 200:
                    self._begin(message, payload)
            if upgraded and messages:
                messages[-1] = _upgrading(messages[-1][0]), messages[-1][1]
                return messages, True, tail + data
            if self._payload is not None:
                if data:
                    self._feed_body(data)
                return messages, False, b""
            if not data:
                return messages, False, b""

    def _begin(self, message: Any, payload: Any) -> None:
        self._payload = payload
        length = message.headers.get(hdrs.CONTENT_LENGTH)
        if length is not None and not message.chunked and length.isdecimal():
            self._left = int(length)

    def _feed_body(self, data: bytes) -> None:
        surplus = b""
        if self._left is not None:
            if len(data) > self._left:
                data, surplus = data[: self._left], data[self._left :]
            self._left -= len(data)
        if self._payload.is_eof():
            surplus = data or surplus
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


def _upgrading(message: RawResponseMessage) -> RawResponseMessage:
    """The head of an answer that changes the protocol, with the one Connection header that aiohttp accepts."""
    tokens = [token.strip().lower() for token in message.headers.get(hdrs.CONNECTION, "").split(",")]
    if "upgrade" not in tokens:
        return message
    headers = message.headers.copy()
    headers[hdrs.CONNECTION] = "upgrade"
    return RawResponseMessage(
        message.version,
        message.code,
        message.reason,
        CIMultiDictProxy(headers),
        message.raw_headers,
        message.should_close,
        message.compression,
        message.upgrade,
        message.chunked,
    )


class Request(transport.Request):
    """A request over such a connection."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send it."""
        try:
            return await super().send(conn)
        except aiohttp.ClientConnectionResetError as error:
            assert isinstance(conn.protocol, Protocol)
            raise LostConnectionError(conn.protocol, error) from error

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """Send the body, after a "100 Continue" if the caller asks for one."""
        protocol, expected = conn.protocol, self._continue
        waiting = None
        if expected is not None:
            waiting = self.loop.call_later(CONTINUE_TIMEOUT, _allow, expected)
        try:
            await super().write_bytes(writer, conn, content_length)
        except ConnectionError as error:
            if protocol is not None:
                protocol.set_exception(aiohttp.ClientOSError(*error.args), error)
        finally:
            if waiting is not None:
                waiting.cancel()


def _allow(expected: asyncio.Future[bool]) -> None:
    if not expected.done():
        expected.set_result(True)


def can_be_sent_again(error: Exception) -> bool:
    """Return true if a request failed because the server had closed a kept connection."""
    return isinstance(error, LostConnectionError) and error.kept and not error.heard
