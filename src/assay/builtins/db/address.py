"""Addresses of database servers, and connection errors that read the same for all drivers and event loops."""

from __future__ import annotations

import os
import socket
import ssl
from urllib.parse import parse_qs, unquote, urlsplit


def of_url(url: str, port: int) -> str:
    """Return the "host:port" of a URL, or several separated by commas, or the path of a Unix socket.

    Args:
        url: The URL, in the syntax of libpq.
        port: The default port.
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
    """Return the message of a connection error, such as "connection refused: 127.0.0.1:5432"."""
    if error.errno is None or isinstance(error, ssl.SSLError | socket.gaierror):
        reason = error.strerror or str(error)
    else:
        reason = os.strerror(error.errno)
    return f"{reason[:1].lower()}{reason[1:]}: {address}"
