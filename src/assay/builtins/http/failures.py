"""Errors of the network, as a script sees them."""

from __future__ import annotations

import os
import ssl

import aiohttp
from aiohttp.http_exceptions import LineTooLong
from yarl import URL

from assay.builtins.http.connection import LostConnectionError
from assay.builtins.http.contents import TooLongError
from assay.builtins.http.decoding import DecodingError, IncompleteError
from assay.builtins.http.redirects import BadLocationError
from assay.builtins.http.transport import Limits
from assay.errors import BuiltinError, ErrorObject

FAILURES = (
    aiohttp.ClientError,
    TimeoutError,
    OSError,
    BadLocationError,
    DecodingError,
    IncompleteError,
    TooLongError,
)
"""The exceptions that `failure` explains."""


def failure(title: str, url: URL, limits: Limits, error: Exception) -> Exception:
    """The Lua error for an exception of aiohttp.

    Args:
        title: The function's name.
        url: What was asked for.
        limits: The time limits that held.
        error: The exception.
    """
    if isinstance(error, aiohttp.InvalidURL):
        return BuiltinError(f"bad argument 'url' ({error})")
    kind, text = explain(url, limits, error)
    return ErrorObject(f"{title} failed: {text}", kind=kind)


def explain(url: URL, limits: Limits, error: Exception) -> tuple[str, str]:
    """The kind and the text of a failure."""
    place = f"{url.host}:{url.port}"
    match error:
        case aiohttp.ConnectionTimeoutError():
            kind, text = "timeout", f"no connection to {place} within {limits.connect or limits.total:g} s"
        case aiohttp.SocketTimeoutError():
            kind, text = "timeout", f"nothing from {place} for {limits.read or limits.total:g} s"
        case TimeoutError():
            kind, text = "timeout", f"no complete answer from {place} within {limits.total or 0:g} s"
        case aiohttp.TooManyRedirects():
            kind, text = "redirect", f"more than {len(error.history) - 1} redirects from {place}"
        case aiohttp.RedirectClientError() | BadLocationError():
            kind, text = "redirect", f"{place} redirects to a URL that is not HTTP: {error}"
        case aiohttp.ClientConnectorCertificateError():
            kind, text = "tls", f"{place}: {_tls_text(error.certificate_error)}"
        case aiohttp.ClientConnectorSSLError():
            kind, text = "tls", f"{place}: {_tls_text(error.os_error)}"
        case aiohttp.ClientConnectorDNSError():
            kind, text = "dns", f"cannot find {error.host}: {_system_text(error.os_error)}"
        case aiohttp.ClientConnectorError() if _in_handshake(url, error.os_error):
            kind, text = "tls", f"{place}: TLS handshake failed: the server closed the connection"
        case aiohttp.ClientConnectorError():
            kind, text = "connect", f"cannot connect to {error.host}:{error.port}: {_system_text(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            kind, text = "connect", f"the proxy does not connect to {place}: {error.status} {error.message}"
        case LostConnectionError(heard=False):
            kind, text = "protocol", f"{place} closed the connection without an answer"
        case TooLongError():
            kind, text = "too_large", f"the answer of {place} has more than {error.limit:.0f} bytes (option 'max_body')"
        case DecodingError():
            kind, text = "protocol", f"the answer of {place} cannot be decompressed"
        case aiohttp.ClientPayloadError() | LostConnectionError() | IncompleteError():
            kind, text = "protocol", f"the answer of {place} broke off"
        case aiohttp.ClientResponseError() if too_long := _cause(error, LineTooLong):
            kind, text = "protocol", f"{place} answers with a header of more than {too_long.args[1]} bytes"
        case aiohttp.ClientResponseError():
            kind, text = "protocol", f"{place} does not speak HTTP/1.1: {_first_line(error.message)}"
        case OSError():
            kind, text = "protocol", f"{place}: {_system_text(error)}"
        case _:
            kind, text = "protocol", f"{place}: {error}"
    return kind, text


def _cause(error: BaseException | None, wanted: type[Exception]) -> BaseException | None:
    """The exception of a kind that an exception was raised for."""
    while error is not None and not isinstance(error, wanted):
        error = error.__cause__
    return error


def _first_line(message: str) -> str:
    """Return what is wrong with an answer; the lines behind show where, as a Python literal."""
    return message.partition("\n")[0].rstrip(": ").lower()


def _in_handshake(url: URL, error: OSError) -> bool:
    """Return true if a connection ended in its TLS handshake: before that it is refused, and not reset."""
    return url.scheme in ("https", "wss") and isinstance(error, ConnectionResetError)


def _tls_text(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    reason = getattr(error, "reason", None)
    return f"TLS handshake failed: {(reason or str(error)).lower().replace('_', ' ')}"


def _system_text(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
