"""The client's connections, which tolerate surplus bytes after a response and identify retryable requests."""

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
from assay.builtins.http.head_splitter import HeadSplitter
from assay.builtins.websocket.frames import FrameGuard

CONTINUE_TIMEOUT = 1.0
"""Time to wait for a "100 Continue" before the body is sent without it, as curl does, in seconds."""


class LostConnectionError(aiohttp.ClientConnectionError):
    """The connection ended before the head of the response was complete.

    It replaces aiohttp's own exceptions, for which aiohttp itself retries some requests, also on new connections, but
    never a POST.

    Attributes:
        response_started: True if part of a response had arrived.
        reused: True if the connection had been used before, so that the server may have closed it before it received
            the request.
    """

    def __init__(self, protocol: Protocol, error: BaseException) -> None:
        super().__init__(*error.args)
        self.response_started = protocol.response_started
        self.reused = protocol.requests > 1
        self.__cause__ = error


class Connector(aiohttp.TCPConnector):
    """A connector that makes connections with Protocol."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        super().__init__(limit=0, resolver=resolver)
        self._factory: Any = lambda: Protocol(asyncio.get_running_loop())  # aiohttp has no public option for it


class Protocol(ResponseHandler):
    """One connection.

    Attributes:
        requests: Number of requests sent.
        response_started: True if data has arrived since the last request.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.requests = 0
        self.response_started = False

    def set_response_params(self, **options: Any) -> None:
        """Prepare for the response to the next request."""
        self.response_started = False
        self.requests += 1
        super().set_response_params(**options)
        self._parser: Any = _ResponseParser(self, self._parser)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Fail the wait for a response."""
        if isinstance(
            exc, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError | aiohttp.ClientConnectionResetError
        ):
            exc = LostConnectionError(self, exc)
            cause = ()
        super().set_exception(exc, *cause)

    def set_parser(self, parser: Any, payload: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """Switch to WebSocket."""
        super().set_parser(FrameGuard(parser, payload, masked=False), payload, data_received_cb)

    def drop(self) -> None:
        """Close the connection; the response received so far can still be read."""
        self.force_close()
        self.close()


class _ResponseParser:
    """Wraps aiohttp's parser for one response.

    Surplus bytes (a body after a 204 or a HEAD, more than Content-Length) do not invalidate the response, but the
    connection is not reused.
    """

    __slots__ = ("_heads", "_parser", "_payload", "_protocol", "_remaining")

    def __init__(self, protocol: Protocol, parser: Any) -> None:
        self._protocol = protocol
        self._parser = parser
        self._heads: HeadSplitter | None = None
        self._payload: Any = None  # set when the head of the final response has arrived
        self._remaining: int | None = None  # bytes of the body, if Content-Length is known

    def feed_data(self, data: bytes) -> tuple[list[Any], bool, bytes]:
        """Parse received data; return messages, true if the protocol is upgraded, and the data for the new protocol."""
        self._protocol.response_started = True
        if self._payload is not None:
            self._feed_body(data)
            return [], False, b""
        messages: list[Any] = []
        self._heads = self._heads or HeadSplitter()
        while True:
            head, data = self._heads.split(data)
            parsed, upgraded, tail = self._parser.feed_data(head)
            for message, payload in parsed:
                messages.append((message, payload))
                if message.code >= 200:
                    self._begin(message, payload)
            if upgraded and messages:
                messages[-1] = _with_plain_upgrade(messages[-1][0]), messages[-1][1]
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
            self._remaining = int(length)

    def _feed_body(self, data: bytes) -> None:
        surplus = b""
        if self._remaining is not None:
            if len(data) > self._remaining:
                data, surplus = data[: self._remaining], data[self._remaining :]
            self._remaining -= len(data)
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
        """Handle the end of the connection."""
        if self._payload is not None and self._payload.is_eof():
            return None
        return self._parser.feed_eof()

    def pause_reading(self) -> None:
        """Pause after the current chunk of the body."""
        self._parser.pause_reading()


def _with_plain_upgrade(message: RawResponseMessage) -> RawResponseMessage:
    """Return an upgrade response with "Connection: upgrade" alone, the only value that aiohttp accepts."""
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
    """A request on a connection of Protocol."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Send the request."""
        try:
            return await super().send(conn)
        except aiohttp.ClientConnectionResetError as error:
            assert isinstance(conn.protocol, Protocol)
            raise LostConnectionError(conn.protocol, error) from error

    async def write_bytes(
        self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
    ) -> None:
        """Send the body, after "100 Continue" or CONTINUE_TIMEOUT if the request expects it."""
        protocol, continued = conn.protocol, self._continue
        timer = None
        if continued is not None:
            timer = self.loop.call_later(CONTINUE_TIMEOUT, _set_true, continued)
        try:
            await super().write_bytes(writer, conn, content_length)
        except ConnectionError as error:
            if protocol is not None:
                protocol.set_exception(aiohttp.ClientOSError(*error.args), error)
        finally:
            if timer is not None:
                timer.cancel()


def _set_true(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(True)


def is_retryable(error: Exception) -> bool:
    """Return true if a reused connection was lost before any part of the response arrived."""
    return isinstance(error, LostConnectionError) and error.reused and not error.response_started
