"""The WebSocket client, which uses the connection pool of the HTTP client."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp import hdrs
from yarl import URL

from assay.builtins.http import client as http
from assay.builtins.http import headers as header_tables
from assay.builtins.http import transport, urls
from assay.builtins.http.connection import LostConnectionError, is_retryable
from assay.builtins.http.errors import lua_error
from assay.builtins.websocket.connection import CLOSE_TIMEOUT, Connection
from assay.builtins.websocket.sockets import ClientSocket
from assay.builtins.ws.options import ConnectOptions
from assay.errors import BuiltinError, ErrorObject
from assay.lua.host import Host


async def connect(host: Host, url: str, options: ConnectOptions) -> Connection:
    """Open a WebSocket. Raises BuiltinError for invalid options, ErrorObject if connecting fails, or DeniedError."""
    target = urls.parse(url, urls.WEBSOCKET)
    for name in ("timeout", "heartbeat"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise BuiltinError(f"bad option '{name}' (a number above 0 expected, got {value:g})")
    headers = header_tables.to_multidict(options.headers)
    context = transport.tls(options.verify, options.ca_cert, host.permissions)
    try:
        async with asyncio.timeout(options.timeout):
            socket = await _open(
                http.session(host),
                target,
                headers=headers,
                protocols=options.protocols or (),
                heartbeat=options.heartbeat,
                max_msg_size=options.max_message + 1,  # aiohttp rejects messages of exactly this size
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT),
                ssl=context,
            )
    except aiohttp.WSServerHandshakeError as error:
        text = f"ws.connect failed: invalid handshake response from {target.host}:{target.port} (status {error.status})"
        raise ErrorObject(text, kind="handshake", status=error.status) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        timeouts = transport.Timeouts(options.timeout, None, None)
        raise lua_error("ws.connect", target, timeouts, error) from error
    problem = _handshake_problem(socket, options)
    if problem is not None:
        socket.handshake.close()
        raise ErrorObject(f"ws.connect failed: {target.host}:{target.port} {problem}", kind="handshake", status=101)
    connection = Connection(socket, f"{target.host}:{target.port}")
    host.kept.setdefault("ws", _OpenConnections()).connections.add(connection)  # type: ignore[attr-defined]
    return connection


async def _open(session: aiohttp.ClientSession, target: URL, **options: Any) -> ClientSocket:
    while True:
        try:
            socket = await session.ws_connect(target, **options)
        except LostConnectionError as error:
            if not is_retryable(error):
                raise
        else:
            assert isinstance(socket, ClientSocket)
            return socket


def _handshake_problem(socket: ClientSocket, options: ConnectOptions) -> str | None:
    """Return the problem if the server chose a subprotocol or an extension that was not offered, else None."""
    headers = socket.handshake.headers
    protocol = headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL)
    if protocol is not None and protocol not in (options.protocols or ()):
        return f"chose the subprotocol '{protocol}', which was not offered"
    if hdrs.SEC_WEBSOCKET_EXTENSIONS in headers:
        return f"chose the extension '{headers[hdrs.SEC_WEBSOCKET_EXTENSIONS]}', which was not offered"
    return None


class _OpenConnections:
    """Open connections, which are closed when the script ends."""

    def __init__(self) -> None:
        self.connections: WeakSet[Connection] = WeakSet()

    async def close(self) -> None:
        await asyncio.gather(*[connection.leave(1001) for connection in self.connections])
