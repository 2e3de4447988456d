"""The HTTP server: aiohttp's low-level server with a Lua task for each request."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import logging
import os
import resource
import sys
import traceback
from collections.abc import Generator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.abc import AbstractAccessLogger
from multidict import CIMultiDict

from assay import log_lines
from assay.builtins.http import files, handshake
from assay.builtins.http import headers as header_tables
from assay.builtins.http.events import Send
from assay.builtins.http.options import Reply, ServeOptions, StaticFiles
from assay.builtins.http.protocol import Server, is_last_request
from assay.builtins.http.responses import SERVER, BufferedResponse, text_response
from assay.builtins.http.routes import REST, Routes, RouteTable
from assay.builtins.websocket.connection import Connection
from assay.builtins.websocket.sockets import ServerSocket
from assay.errors import BuiltinError, LuaError
from assay.events import HANDLER_FAILED, REQUEST
from assay.lua import convert
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.values import Json, Record
from assay.permissions import Permissions

BACKLOG = 2048
"""Maximum number of connections that wait to be accepted."""

_protocol_log = logging.getLogger("assay.http.protocol")
_protocol_log.setLevel(logging.CRITICAL + 1)  # malformed requests are answered with 400 and not logged

_STATUS = web.RequestKey("status", int)
"""Status of a started stream or WebSocket."""

_FRAMING = ("content-length", "transfer-encoding")  # headers that only the server sets


_reply = convert.options(Reply)


class _RejectedError(Exception):
    """A request is rejected with an error status before its handler runs."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _AccessLog(AbstractAccessLogger):
    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        _log_access(request, response.status, response.body_length, time)


def _log_access(request: web.BaseRequest, status: int | None, size: int, seconds: float) -> None:
    fields = {"client": request.remote, "bytes": size, "seconds": round(seconds, 4)}
    path = request.rel_url.raw_path_qs
    fields |= {} if status is None else {"status": status}
    log_lines.emit("info", f"http.serve: {request.method} {path}", fields, REQUEST)


async def serve(host: Host, port: int, routes: Routes, options: ServeOptions) -> None:
    """Listen on `port` and answer requests until cancelled or asked to stop. Raises BuiltinError or DeniedError."""
    if not 0 <= port <= 65535:
        raise BuiltinError(f"bad argument 'port' (0 to 65535 expected, got {port})")
    for name in ("read_timeout", "idle_timeout"):
        if not getattr(options, name) > 0:
            raise BuiltinError(f"bad option '{name}' (a number above 0 expected, got {getattr(options, name):g})")
    if not options.half_close_timeout >= 0:
        problem = f"0 or more expected, got {options.half_close_timeout:g}"
        raise BuiltinError(f"bad option 'half_close_timeout' ({problem})")
    _check_permissions(host.permissions, port, routes, options)
    _raise_file_limit()
    service = _Service(host, RouteTable(routes), options)
    server = Server(
        service.respond,
        options.half_close_timeout,
        auto_decompress=False,
        keepalive_timeout=options.idle_timeout,
        logger=_protocol_log,
        access_log=_protocol_log if options.access_log else None,
        access_log_class=_AccessLog,
    )
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    try:
        sharing = host.sharing if port != 0 else None
        site = web.TCPSite(runner, options.host, port, backlog=BACKLOG, reuse_port=sharing is not None or None)
        try:
            if sharing is not None:
                await sharing.reserve(options.host, port)
            await site.start()
        except OSError as error:
            raise _cannot_listen(options.host, port, error) from error
        host.services.add(service, keeps_alive=False)
        try:
            await _announce(host, runner.addresses[0][1], options)
            await service.stop.wait()
        finally:
            await site.stop()
            server.pre_shutdown()  # closes each connection after its current response
            await service.finish()
    finally:
        await runner.cleanup()
        service.ended.set_result(None)
        host.services.remove(service)


def _check_permissions(permissions: Permissions, port: int, routes: Routes, options: ServeOptions) -> None:
    """Raise DeniedError if the script may not listen on the port or read a folder of static files."""
    permissions.check_host("net", options.host or "0.0.0.0", port, listen=True)
    for targets in routes.values():
        for target in targets.values():
            if isinstance(target, StaticFiles):
                permissions.path("read", os.fsencode(target.static))


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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
    # Newer versions of asyncio raise EADDRNOTAVAIL without an errno.
    number = errno.EADDRNOTAVAIL if error.errno is None else error.errno
    reason = os.strerror(number) if number > 0 else error.strerror or str(error)
    return BuiltinError(f"cannot listen on {host}:{port}: {reason}")


class _Service:
    """A running server, which ends when its handlers have ended."""

    def __init__(self, host: Host, routes: RouteTable, options: ServeOptions) -> None:
        self._host = host
        self._routes = routes
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[Any]] = set()
        self._streaming: set[asyncio.Task[Any]] = set()
        self._sockets: set[Connection] = set()
        self.stop = asyncio.Event()
        self.ended: concurrent.futures.Future[None] = concurrent.futures.Future()

    def request_shutdown(self) -> None:
        """Start the shutdown. It may be called from any thread, and repeatedly."""
        with suppress(RuntimeError):  # the loop is closed: the server has ended
            self._loop.call_soon_threadsafe(self.stop.set)

    def __await__(self) -> Generator[Any, None, None]:
        return asyncio.shield(asyncio.wrap_future(self.ended)).__await__()

    async def finish(self) -> None:
        """End streams, close WebSockets, and wait up to `shutdown_timeout` for handlers; then cancel them."""
        for task in self._streaming:
            task.cancel()
        closing = [asyncio.ensure_future(socket.leave(1001)) for socket in self._sockets]
        if self._running:
            await asyncio.wait(self._running, timeout=self._options.shutdown_timeout)
        remaining = set(self._running)
        for task in remaining:
            task.cancel()
        if remaining or closing:
            await asyncio.wait([*remaining, *closing], timeout=1)

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the response to a request, which is already sent if it is a stream."""
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        started = self._loop.time()
        try:
            return await self._dispatch(request)
        except asyncio.CancelledError:
            if self._options.access_log:  # aiohttp only logs requests with a complete response
                _log_access(request, request.get(_STATUS), request.writer.output_size, self._loop.time() - started)
            raise
        except _RejectedError as error:
            response = text_response(error.status, str(error))
            response.force_close()
            return response
        except (BuiltinError, LuaError) as error:
            _log_error(request, error.report if isinstance(error, LuaError) else str(error))
        except Exception as error:
            if self._host.verbose:
                traceback.print_exception(error, file=sys.stderr)
            _log_error(request, f"{type(error).__name__}: {error}")
        except SystemExit:
            if self._host.on_exit is None:
                raise
            self._host.on_exit()
        finally:
            self._running.discard(task)
        return text_response(500, "internal server error")

    async def _dispatch(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.version is not HttpVersion11 and request.version != HttpVersion10:
            raise _RejectedError(505, "http version not supported")
        encoding = request.headers.get(hdrs.TRANSFER_ENCODING)
        if encoding is not None and encoding.lower() != "chunked":
            raise _RejectedError(501, "the transfer encoding of the body is not supported")
        raw_path = request.rel_url.raw_path
        path = unquote_to_bytes(raw_path)
        key = path.decode("utf-8", "surrogateescape")
        match = self._routes.find(request.method, key, raw_path)
        if match is None:
            allowed = self._routes.methods(key, raw_path)
            if not allowed:
                return text_response(404, "not found")
            return text_response(405, "method not allowed", [(hdrs.ALLOW, ", ".join(allowed))])
        target = match.target
        if isinstance(target, StaticFiles):
            rest = match.parameters.get(REST, "")
            response = await files.respond(request, target, rest, self._host.permissions)
            return response or text_response(404, "not found")
        return await self._call_handler(request, target, path, match.parameters)

    async def _call_handler(
        self, request: web.BaseRequest, handler: LuaFunction, path: bytes, parameters: dict[str, str]
    ) -> web.StreamResponse:
        query = request.rel_url.raw_query_string
        fields = {
            b"method": request.method.encode(),
            b"path": path,
            b"raw_path": request.rel_url.raw_path.encode("utf-8", "surrogateescape"),
            b"body": await self._read(request) if request.can_read_body else b"",
            b"query": query.encode("utf-8", "surrogateescape"),
        }
        tables = {
            b"headers": header_tables.joined(request.raw_headers),
            b"params": header_tables.parameters(query),
            b"path_params": _encoded(parameters) if parameters else {},
        }
        result = await self._host.run(handler, (Record(fields, tables),), b"call")
        if not isinstance(result, dict):
            kind = convert.lua_type(result)
            raise BuiltinError(f"the handler returned {'nil' if kind == 'nil' else f'a {kind}'}, not a response table")
        reply: Reply = _reply(result, "response")
        if not 200 <= reply.status <= 599:
            raise BuiltinError(f"bad option 'status' (200 to 599 expected, got {reply.status})")
        headers = [pair for pair in header_tables.validated(reply.headers) if pair[0].lower() not in _FRAMING]
        if reply.ws is not None:
            return await self._upgrade(request, reply.ws, headers)
        if reply.sse is not None:
            return await self._stream(request, reply.sse, reply.status, headers)
        if result.get("json", reply) is None:
            reply.json = Json(b"null")
        if reply.json is not None:
            return BufferedResponse(reply.status, bytes(reply.json), "application/json", headers)
        return BufferedResponse(reply.status, reply.body, None, headers)

    async def _read(self, request: web.BaseRequest) -> bytes:
        max_body = self._options.max_body
        too_large = _RejectedError(413, f"the body is longer than {max_body} bytes")
        if (request.content_length or 0) > max_body:
            raise too_large
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.version == HttpVersion11:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        try:
            async with asyncio.timeout(self._options.read_timeout):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > max_body:
                        raise too_large
        except TimeoutError:
            raise _RejectedError(408, "the body took too long to arrive") from None
        except web.RequestPayloadError:
            raise _RejectedError(400, "bad request") from None
        return bytes(body)

    async def _stream(
        self, request: web.BaseRequest, function: LuaFunction, status: int, reply_headers: list[tuple[str, str]]
    ) -> web.StreamResponse:
        headers = CIMultiDict(reply_headers)
        headers.setdefault(hdrs.SERVER, SERVER)
        headers.setdefault(hdrs.CONTENT_TYPE, "text/event-stream")
        headers.setdefault(hdrs.CACHE_CONTROL, "no-cache")
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        request[_STATUS] = response.status
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
                _log_error(request, error.report)
        finally:
            self._streaming.discard(task)
            send.ended = True
        if is_last_request(request):
            response.force_close()
        return response

    async def _upgrade(
        self, request: web.BaseRequest, function: LuaFunction, reply_headers: list[tuple[str, str]]
    ) -> web.StreamResponse:
        refusal = handshake.refusal(request)
        if refusal is not None:
            return refusal
        headers = CIMultiDict(reply_headers)
        # aiohttp chooses one that the client offers, or none.
        protocols = headers.popall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])
        # aiohttp rejects messages of exactly max_msg_size bytes.
        socket = ServerSocket(max_msg_size=self._options.max_message + 1, protocols=protocols)
        socket.headers.extend(headers)
        socket.headers.setdefault(hdrs.SERVER, SERVER)
        await socket.prepare(request)
        request[_STATUS] = socket.status
        self._host.callbacks.load_library(b"ws")
        connection = Connection(socket, f"{request.remote}")
        # A separate task, because a disconnect must not cancel the function: it may still read received messages.
        task = asyncio.ensure_future(self._run_socket(request, function, connection))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)
        return socket

    async def _run_socket(self, request: web.BaseRequest, function: LuaFunction, connection: Connection) -> None:
        self._sockets.add(connection)
        code = 1011
        try:
            await function(connection)
            code = 1000
        except LuaError as error:
            if not (isinstance(error.value, dict) and error.value.get("kind") == "closed"):
                _log_error(request, error.report)
        finally:
            self._sockets.discard(connection)
            await connection.leave(code)


def _encoded(parameters: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode("utf-8", "surrogateescape") for name, value in parameters.items()}


def _log_error(request: web.BaseRequest, problem: str) -> None:
    text = f"http.serve: {request.method} {request.rel_url.raw_path}: {problem}"
    log_lines.emit("error", text, event=HANDLER_FAILED)
