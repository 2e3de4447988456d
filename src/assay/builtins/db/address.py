"""The address of a database server, and why it cannot be reached, in words that no driver and no event loop changes."""

from __future__ import annotations

import os
import socket
import ssl
from urllib.parse import parse_qs, unquote, urlsplit


def of_url(url: str, port: int) -> str:
    """Return the "host:port" that a URL names, or several of them, or the path of a Unix socket.

    Args:
        url: The URL, as libpq reads it.
        port: The port of the database when the URL has none.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    hosts = parts.netloc.rpartition("@")[2] or query.get("host", [os.environ.get("PGHOST", "localhost")])[-1]
    default = query.get("port", [str(port)])[-1]
    return ",".join(_with_port(unquote(host), default) for host in hosts.split(","))


def _with_port(host: str, port: str) -> str:
    if host.startswith("/") or host.rpartition(":")[2].isdecimal():
        return host
    return f"{host}:{port}"


def problem(error: OSError, address: str) -> str:
    """Return why there is no connection to an address: "connection refused: 127.0.0.1:5432"."""
    if error.errno is None or isinstance(error, ssl.SSLError | socket.gaierror):
        reason = error.strerror or str(error)
    else:
        reason = os.strerror(error.errno)
    return f"{reason[:1].lower()}{reason[1:]}: {address}"
