"""The server side of `http`: aiohttp's low-level server, with a Lua task for each request."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import HttpVersion11, hdrs, web
from multidict import CIMultiDict

from assay.builtins.http import headers as header_tables
from assay.builtins.http.events import Send
from assay.builtins.http.options import HeaderValue, ServeOptions
from assay.builtins.http.routes import Routes, RouteTable
from assay.errors import BuiltinError, LuaError
from assay.lua import convert
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.values import Json, text_or_bytes

GRACE = 5.0
"""Seconds that handlers have to end when the server is cancelled."""

_log = logging.getLogger("assay.http")
_access_log = logging.getLogger("assay.http.access")
_protocol_log = logging.getLogger("assay.http.protocol")
_protocol_log.setLevel(logging.CRITICAL + 1)  # malformed requests are answered with 400, that is enough

_DEFAULT_TYPE = "text/plain; charset=utf-8"
_FRAMING = (hdrs.CONTENT_LENGTH, hdrs.TRANSFER_ENCODING)  # what the server itself has to decide


@dataclass(kw_only=True)
class Reply:
    """What a handler returns.

    Attributes:
        status: The HTTP status.
        body: The body's bytes.
        json: A value to send as JSON instead of `body`.
        headers: Header name → value, or an array of values that are sent as several headers.
        sse: A function that gets `send` and sends server-sent events until it returns.
    """

    status: int = 200
    body: bytes = b""
    json: Json | None = None
    headers: dict[str, HeaderValue] | None = None
    sse: LuaFunction | None = None


_reply = convert.options(Reply)


class _BodyTooLargeError(Exception):
    pass


async def serve(host: Host, port: int, routes: Routes, options: ServeOptions) -> None:
    """Listen on `port` and answer requests until cancelled."""
    if not 0 <= port <= 65535:
        raise BuiltinError(f"bad argument 'port' (0 to 65535 expected, got {port})")
    service = _Service(host, RouteTable(routes), options)
    server = web.Server(
        service.answer,
        handler_cancellation=True,
        auto_decompress=False,
        logger=_protocol_log,
        access_log=_enable_access_log() if options.access_log else None,
        access_log_format='%a "%r" %s %b %Tfs',
    )
    runner = web.ServerRunner(server, shutdown_timeout=GRACE)
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, port)
        try:
            await site.start()
        except OSError as error:
            raise _cannot_listen(options.host, port, error) from error
        try:
            await _announce(host, runner.addresses[0][1], options)
            await asyncio.get_running_loop().create_future()
        finally:
            await site.stop()
            await service.finish()
    finally:
        await runner.cleanup()


async def _announce(host: Host, port: int, options: ServeOptions) -> None:
    host.state.invoke(b"set_global", b"_SERVER_PORT", port)
    if options.on_listen is not None:
        try:
            await options.on_listen(port)
        except LuaError as error:
            raise BuiltinError(f"on_listen: {error.message}") from error


def _cannot_listen(host: str, port: int, error: OSError) -> BuiltinError:
    if error.errno == errno.EADDRINUSE:
        return BuiltinError(f"port {port} on {host} is in use")
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
    return BuiltinError(f"cannot listen on {host}:{port}: {reason}")


def _enable_access_log() -> logging.Logger:
    if not _access_log.hasHandlers():
        _access_log.addHandler(logging.StreamHandler(sys.stderr))
    _access_log.setLevel(logging.INFO)
    return _access_log


class _Service:
    def __init__(self, host: Host, routes: RouteTable, options: ServeOptions) -> None:
        self._host = host
        self._routes = routes
        self._max_body = options.max_body
        self._running: set[asyncio.Task[Any]] = set()
        self._streaming: set[asyncio.Task[Any]] = set()

    async def finish(self) -> None:
        """Wait for the handlers that run, for a while; streams end at once."""
        for task in self._streaming:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=GRACE)
        for task in self._running:
            task.cancel()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            return await self._answer(request)
        except (BuiltinError, LuaError) as error:
            problem = error.message if isinstance(error, LuaError) else str(error)
            _complain(request, problem)
        except Exception as error:
            _log.debug("http.serve", exc_info=True)
            _complain(request, f"{type(error).__name__}: {error}")
        except SystemExit:
            if self._host.on_exit is None:
                raise
            self._host.on_exit()
        finally:
            self._running.discard(task)
        return _plain(500, "internal server error")

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = unquote_to_bytes(request.rel_url.raw_path)
        key = path.decode("utf-8", "surrogateescape")
        handler = self._routes.find(request.method, key)
        if handler is None:
            allowed = self._routes.methods(key)
            if not allowed:
                return _plain(404, "not found")
            return _plain(405, "method not allowed", {hdrs.ALLOW: ", ".join(allowed)})
        try:
            body = await self._read(request)
        except _BodyTooLargeError:
            response = _plain(413, f"the body is longer than {self._max_body} bytes")
            response.force_close()
            return response
        query = request.rel_url.raw_query_string
        table = {
            "method": request.method,
            "path": text_or_bytes(path),
            "body": body,
            "headers": header_tables.received(request.headers),
            "query": header_tables.lua_text(query),
            "params": header_tables.parameters(query),
        }
        result = await self._host.run(handler, (table,), b"call")
        if not isinstance(result, dict):
            raise BuiltinError(f"the handler returned a {convert.lua_type(result)}, not a response table")
        reply: Reply = _reply(result, "response")
        if not 200 <= reply.status <= 599:
            raise BuiltinError(f"bad option 'status' (200 to 599 expected, got {reply.status})")
        headers = header_tables.to_send(reply.headers)
        for name in _FRAMING:
            headers.popall(name, None)
        headers.setdefault(hdrs.SERVER, "assay")
        if reply.sse is not None:
            return await self._stream(request, reply.sse, reply.status, headers)
        return _complete(reply, headers)

    async def _read(self, request: web.BaseRequest) -> bytes:
        if (request.content_length or 0) > self._max_body:
            raise _BodyTooLargeError
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.version == HttpVersion11:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > self._max_body:
                raise _BodyTooLargeError
        return bytes(body)

    async def _stream(
        self, request: web.BaseRequest, function: LuaFunction, status: int, headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        headers.setdefault(hdrs.CONTENT_TYPE, "text/event-stream")
        headers.setdefault(hdrs.CACHE_CONTROL, "no-cache")
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        task = asyncio.current_task()
        assert task is not None
        self._streaming.add(task)
        send = Send(response)
        try:
            await function(send)
        except LuaError as error:
            if request.transport is not None and not request.transport.is_closing():
                _complain(request, error.message)
        finally:
            self._streaming.discard(task)
            send.ended = True
        return response


def _complete(reply: Reply, headers: CIMultiDict[str]) -> web.Response:
    body = reply.body
    content_type = _DEFAULT_TYPE if isinstance(text_or_bytes(body), str) else "application/octet-stream"
    if reply.json is not None:
        body, content_type = bytes(reply.json), "application/json"
    if body:
        headers.setdefault(hdrs.CONTENT_TYPE, content_type)
    return web.Response(status=reply.status, headers=headers, body=body)


def _plain(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return _complete(Reply(status=status, body=text.encode()), CIMultiDict({hdrs.SERVER: "assay"} | (headers or {})))


def _complain(request: web.BaseRequest, problem: str) -> None:
    line = problem.replace("\r", "\\r").replace("\n", "\\n")
    _log.error("http.serve: %s %s: %s", request.method, request.rel_url.raw_path, line)
