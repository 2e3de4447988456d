"""Maps exceptions of the client to Lua errors."""

from __future__ import annotations

import os
import ssl

import aiohttp
from aiohttp.http_exceptions import LineTooLong
from yarl import URL

from assay.builtins.http.connection import LostConnectionError
from assay.builtins.http.decoding import DecodingError, IncompleteError
from assay.builtins.http.redirects import BadLocationError
from assay.builtins.http.response_body import BodyTooLargeError
from assay.builtins.http.transport import Timeouts
from assay.errors import BuiltinError, ErrorObject

CLIENT_EXCEPTIONS = (
    aiohttp.ClientError,
    TimeoutError,
    OSError,
    BadLocationError,
    DecodingError,
    IncompleteError,
    BodyTooLargeError,
)
"""Exceptions that `lua_error` maps."""


def lua_error(title: str, url: URL, timeouts: Timeouts, error: Exception) -> Exception:
    """Return the Lua error for an exception.

    Args:
        title: The function's name.
        url: The URL of the request.
        timeouts: The timeouts of the request.
        error: The exception.
    """
    if isinstance(error, aiohttp.InvalidURL):
        return BuiltinError(f"bad argument 'url' ({error})")
    kind, text = describe(url, timeouts, error)
    return ErrorObject(f"{title} failed: {text}", kind=kind)


def describe(url: URL, timeouts: Timeouts, error: Exception) -> tuple[str, str]:
    """Return the kind and the message of the Lua error for an exception."""
    server = f"{url.host}:{url.port}"
    match error:
        case aiohttp.ConnectionTimeoutError():
            kind, text = "timeout", f"no connection to {server} within {timeouts.connect or timeouts.total:g} s"
        case aiohttp.SocketTimeoutError():
            kind, text = "timeout", f"no data from {server} for {timeouts.read or timeouts.total:g} s"
        case TimeoutError():
            kind, text = "timeout", f"no complete response from {server} within {timeouts.total or 0:g} s"
        case aiohttp.TooManyRedirects():
            kind, text = "redirect", f"more than {len(error.history) - 1} redirects from {server}"
        case aiohttp.RedirectClientError() | BadLocationError():
            kind, text = "redirect", f"{server} redirects to a URL that is not HTTP: {error}"
        case aiohttp.ClientConnectorCertificateError():
            kind, text = "tls", f"{server}: {_tls_text(error.certificate_error)}"
        case aiohttp.ClientConnectorSSLError():
            kind, text = "tls", f"{server}: {_tls_text(error.os_error)}"
        case aiohttp.ClientConnectorDNSError():
            kind, text = "dns", f"cannot resolve {error.host}: {_system_text(error.os_error)}"
        case aiohttp.ClientConnectorError() if _in_handshake(url, error.os_error):
            kind, text = "tls", f"{server}: TLS handshake failed: the server closed the connection"
        case aiohttp.ClientConnectorError():
            kind, text = "connect", f"cannot connect to {error.host}:{error.port}: {_system_text(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            kind, text = "connect", f"the proxy refused to connect to {server}: {error.status} {error.message}"
        case LostConnectionError(response_started=False):
            kind, text = "protocol", f"{server} closed the connection without a response"
        case BodyTooLargeError():
            kind, text = "too_large", f"the response from {server} exceeds {error.limit:.0f} bytes (option 'max_body')"
        case DecodingError():
            kind, text = "protocol", f"the response from {server} cannot be decompressed"
        case aiohttp.ClientPayloadError() | LostConnectionError() | IncompleteError():
            kind, text = "protocol", f"the response from {server} is incomplete"
        case aiohttp.ClientResponseError() if too_long := _cause(error, LineTooLong):
            kind, text = "protocol", f"{server} sent a header of more than {too_long.args[1]} bytes"
        case aiohttp.ClientResponseError():
            kind, text = "protocol", f"{server} does not speak HTTP/1.1: {_first_line(error.message)}"
        case OSError():
            kind, text = "protocol", f"{server}: {_system_text(error)}"
        case _:
            kind, text = "protocol", f"{server}: {error}"
    return kind, text


def _cause(error: BaseException | None, wanted: type[Exception]) -> BaseException | None:
    """Return the first exception of a type in a chain of causes, or None."""
    while error is not None and not isinstance(error, wanted):
        error = error.__cause__
    return error


def _first_line(message: str) -> str:
    """Return the problem that aiohttp's parser reports, without the excerpt of the response that follows it."""
    return message.partition("\n")[0].rstrip(": ").lower()


def _in_handshake(url: URL, error: OSError) -> bool:
    """Return true if the TLS handshake failed: a TCP connection that fails earlier is refused, not reset."""
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
