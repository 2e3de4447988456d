"""The options of `ws.connect`."""

from __future__ import annotations

from dataclasses import dataclass

from assay.builtins.http.options import HeaderValue


@dataclass(kw_only=True)
class ConnectOptions:
    """How to connect.

    Attributes:
        headers: Header name → value, or an array of values.
        protocols: The subprotocols that the client offers.
        timeout: Seconds until the connection is open; 30 when left out.
        heartbeat: Seconds between pings; a connection that does not answer one within half of that is closed.
        max_message: Bytes that a message may have.
        verify: Check the server's TLS certificate.
        ca_cert: Certificates to trust beside the system's, as PEM text or as "@" and the path of a PEM file.
    """

    headers: dict[str, HeaderValue] | None = None
    protocols: list[str] | None = None
    timeout: float = 30
    heartbeat: float | None = None
    max_message: int = 10 * 1024 * 1024
    verify: bool | None = None
    ca_cert: str | None = None
