"""What every HTTP request needs: a session with its connections, the environment's proxies, words for failures."""

from __future__ import annotations

import os
import ssl
from ipaddress import ip_address
from typing import cast
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp import hdrs
from yarl import URL

from assay import __version__
from assay.errors import BuiltinError
from assay.lua.host import Host

MAX_REDIRECTS = 10


def new_session() -> aiohttp.ClientSession:
    """Make a session that keeps connections and nothing else."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={hdrs.USER_AGENT: f"assay/{__version__}"},
        skip_auto_headers=[hdrs.CONTENT_TYPE],
    )


def session(host: Host) -> aiohttp.ClientSession:
    """The one session of a host; it is closed when the host is."""
    found = host.kept.get("http")
    if found is None:
        found = host.kept["http"] = new_session()
    return cast(aiohttp.ClientSession, found)


def parse(url: str) -> URL:
    """Check an absolute URL."""
    try:
        target = URL(url)
        if target.scheme in ("http", "https") and target.host and target.port is not None:
            return target
    except ValueError:
        pass
    raise BuiltinError(f"bad argument 'url' (an http:// or https:// URL expected, got {url!r})")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def proxy(url: URL) -> tuple[URL | None, dict[str, str]]:
    """The environment's proxy for a URL, and the headers that it wants."""
    # Not aiohttp's `trust_env`: it takes a thread for each request, sends what ~/.netrc says, and asks a proxy for
    # this machine's own addresses.
    host = url.host or ""
    address = None if _is_loopback(host) or proxy_bypass(host) else getproxies().get(url.scheme)
    if not address:
        return None, {}
    found = URL(address if "://" in address else f"http://{address}")
    if found.user is None:
        return found, {}
    credentials = aiohttp.encode_basic_auth(found.user, found.password or "")
    return found.with_user(None), {hdrs.PROXY_AUTHORIZATION: credentials}


def explain(url: URL, timeout: float | None, error: Exception) -> tuple[str, str]:
    """The kind and the text of a request's failure."""
    place = f"{url.host}:{url.port}"
    kind = "connection"
    match error:
        case TimeoutError():
            kind, text = "timeout", f"no complete answer from {place} within {timeout:g} s"
        case aiohttp.TooManyRedirects():
            kind, text = "redirect", f"more than {MAX_REDIRECTS} redirects from {place}"
        case aiohttp.RedirectClientError():
            kind, text = "redirect", f"{place} redirects to a URL that is not HTTP: {error}"
        case aiohttp.ClientConnectorCertificateError():
            kind, text = "tls", f"{place}: {_tls_text(error.certificate_error)}"
        case aiohttp.ClientConnectorSSLError():
            kind, text = "tls", f"{place}: {_tls_text(error.os_error)}"
        case aiohttp.ClientConnectorError():
            text = f"cannot connect to {error.host}:{error.port}: {_system_text(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            text = f"{place} closed the connection without an answer"
        case aiohttp.ClientPayloadError():
            text = f"the answer of {place} broke off"
        case aiohttp.ClientResponseError():
            text = f"{place} does not speak HTTP/1.1: {error.message}"
        case OSError():
            text = f"{place}: {_system_text(error)}"
        case _:
            text = f"{place}: {error}"
    return kind, text


def _tls_text(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    reason = getattr(error, "reason", None)
    return f"TLS handshake failed: {(reason or str(error)).lower().replace('_', ' ')}"


def _system_text(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
