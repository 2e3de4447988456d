"""Options of `ws.connect`."""

from __future__ import annotations

from dataclasses import dataclass

from assay.builtins.http.options import HeaderValue


@dataclass(kw_only=True)
class ConnectOptions:
    """Options of a connection.

    Attributes:
        headers: Header name → value, or an array of values.
        protocols: The subprotocols that the client offers.
        timeout: Maximum time to open the connection, in seconds.
        heartbeat: Interval between pings, in seconds; the connection is closed if no pong arrives within half of it.
        max_message: Maximum size of a message, in bytes.
        verify: Verify the server's TLS certificate; true by default.
        ca_cert: Certificates to trust in addition to the system's: PEM text, or "@" and the path of a PEM file.
    """

    headers: dict[str, HeaderValue] | None = None
    protocols: list[str] | None = None
    timeout: float = 30
    heartbeat: float | None = None
    max_message: int = 10 * 1024 * 1024
    verify: bool | None = None
    ca_cert: str | None = None
