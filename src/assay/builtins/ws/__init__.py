"""`ws`: WebSockets. `client` opens them; `http.serve` has them too. aiohttp is not imported before the first one."""

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
    """WebSockets.

    A failure is an error with a `kind`: "dns", "connect", "tls" or "timeout" as in `http`; "handshake" when the server
    answers with something else than a WebSocket (with its `status`); "closed" when the connection is gone without a
    close, or when something is sent over a closed one; "protocol" when the other side breaks the protocol or sends too
    long a message (`code` is the reason).
    """,
    needs=NOTHING,
)

library.handle(Connection)


@library.function(needs=NET_URL)
async def connect(host: Host, url: str, options: ConnectOptions | None = None) -> Connection:
    """Open a WebSocket.

    Args:
        url: A ws:// or wss:// URL.
        options: How to connect.
    """
    from assay.builtins.ws import client

    return await client.connect(host, url, options or ConnectOptions())


@library.function()
async def send(conn: Connection, message: bytes, options: SendOptions | None = None) -> None:
    """Send a message, as `conn:send` does.

    Args:
        conn: The connection.
        message: The text, or the bytes.
        options: How to send it.
    """
    await conn.send(message, options)


@library.function()
async def recv(conn: Connection, options: ReceiveOptions | None = None) -> Results:
    """Wait for a message, as `conn:recv` does.

    Args:
        conn: The connection.
        options: How to wait.
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
        code: Why, as a number: 1000, or 3000 to 4999.
        reason: Why, in up to 123 bytes.
    """
    await conn.close(code, reason)
