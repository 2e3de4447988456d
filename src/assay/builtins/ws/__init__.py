"""`ws`: WebSockets.

`client.py` opens connections; `http.serve` accepts them. aiohttp is imported with the first connection.
"""

from __future__ import annotations

from assay.builtins.websocket.connection import Connection
from assay.builtins.websocket.options import ReceiveOptions, SendOptions
from assay.builtins.ws.options import ConnectOptions
from assay.lua.declare import Library
from assay.lua.host import Host
from assay.lua.outcomes import Results
from assay.permissions.needs import NET_URL, NOTHING

library = Library(
    "ws",
    """WebSocket connections.

    The `kind` of an error is one of:

    - "dns", "connect", "tls" or "timeout", as in `http`.
    - "handshake": the server did not accept the WebSocket; `status` is the HTTP status.
    - "closed": the connection was lost without a close frame, or a message was sent on a closed connection.
    - "protocol": the peer violated the protocol or sent too large a message; `code` is the close code.
    """,
    needs=NOTHING,
    callbacks={f"{title}.return": "string?, string|integer, string?" for title in ("ws.recv", "conn:recv")},
)

library.handle(Connection)


@library.function(needs=NET_URL)
async def connect(host: Host, url: str, options: ConnectOptions | None = None) -> Connection:
    """Open a WebSocket.

    Args:
        url: A ws:// or wss:// URL.
        options: Options of the connection.
    """
    from assay.builtins.ws import client

    return await client.connect(host, url, options or ConnectOptions())


@library.function()
async def send(conn: Connection, message: bytes, options: SendOptions | None = None) -> None:
    """Send a message, as `conn:send` does.

    Args:
        conn: The connection.
        message: Text or bytes.
        options: Options of the message.
    """
    await conn.send(message, options)


@library.function()
async def recv(conn: Connection, options: ReceiveOptions | None = None) -> Results:
    """Wait for a message, as `conn:recv` does.

    Args:
        conn: The connection.
        options: Options of the wait.
    """
    return await conn.recv(options)


@library.function()
async def ping(conn: Connection) -> None:
    """Send a ping.

    Args:
        conn: The connection.
    """
    await conn.ping()


@library.function()
async def close(conn: Connection, code: int = 1000, reason: str = "") -> None:
    """Close a connection, as `conn:close` does.

    Args:
        conn: The connection.
        code: The close code: 1000, or 3000 to 4999.
        reason: The reason, up to 123 bytes.
    """
    await conn.close(code, reason)
