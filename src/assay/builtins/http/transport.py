"""Connection settings: timeouts, TLS and proxies."""

from __future__ import annotations

import math
import os
import ssl
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.request import proxy_bypass

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from assay.builtins.http import urls
from assay.builtins.http.options import SharedOptions
from assay.errors import BuiltinError
from assay.permissions import Permissions

TIMEOUT = 30.0


class Timeouts(NamedTuple):
    """Timeouts of a request in seconds, or None: total, to connect, between two reads of the response."""

    total: float | None
    connect: float | None
    read: float | None

    @lru_cache(maxsize=256)  # noqa: B019 a tuple of numbers
    def for_aiohttp(self) -> aiohttp.ClientTimeout:
        """Return the timeouts as aiohttp's ClientTimeout."""
        return aiohttp.ClientTimeout(total=self.total, connect=self.connect, sock_read=self.read)

    def remaining(self, elapsed: float) -> aiohttp.ClientTimeout:
        """Return the timeouts for a request that follows a redirect.

        Args:
            elapsed: Seconds since the first request was sent.
        """
        total = None if self.total is None else max(self.total - elapsed, 0.001)
        return aiohttp.ClientTimeout(total=total, connect=self.connect, sock_read=self.read)


def timeouts(options: SharedOptions) -> Timeouts:
    """Return the timeouts of a request. Raises BuiltinError if one is not positive."""
    return _timeouts(options.timeout, options.connect_timeout, options.read_timeout)


@lru_cache(maxsize=256)
def _timeouts(total: float | None, connect: float | None, read: float | None) -> Timeouts:
    return Timeouts(
        _seconds("timeout", TIMEOUT if total is None else total),
        _seconds("connect_timeout", connect),
        _seconds("read_timeout", read),
    )


def _seconds(name: str, value: float | None) -> float | None:
    if value is not None and not value > 0:
        raise BuiltinError(f"bad option '{name}' (a number above 0 expected, got {value})")
    return None if value is not None and math.isinf(value) else value


def tls(verify: bool | None, ca_cert: str | None, permissions: Permissions) -> ssl.SSLContext | bool:
    """Return aiohttp's `ssl` argument. Raises BuiltinError for an invalid 'ca_cert', or DeniedError."""
    if verify is False:
        return False
    if ca_cert is None:
        return True
    if not ca_cert.startswith("@"):
        return _tls_context(ca_cert)
    path = ca_cert[1:]
    try:
        with permissions.open(path) as file:
            certificates = file.read().decode("ascii", "replace")
    except OSError as error:
        raise BuiltinError(f"bad option 'ca_cert' ({path}: {error.strerror})") from None
    except ValueError:
        raise BuiltinError("bad option 'ca_cert' (paths must not contain NUL bytes)") from None
    return _tls_context(certificates)


@lru_cache(maxsize=16)  # pooled connections are only reused with the same context
def _tls_context(certificates: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=certificates)
    except (ssl.SSLError, ValueError):
        problem = "bad option 'ca_cert' (PEM certificates expected, or \"@\" and the path of a file with them)"
        raise BuiltinError(problem) from None
    return context


class Request(aiohttp.ClientRequest):
    """A request that uses the environment's proxy for its URL.

    This replaces aiohttp's `trust_env`, which uses a thread for each request, sends credentials of ~/.netrc and uses
    the proxy for loopback addresses too.
    """

    def __init__(self, method: str, url: URL, **options: Any) -> None:
        proxy, credentials = _proxy(url)
        if credentials and url.scheme in ("http", "ws"):
            # Without a tunnel, the request itself goes to the proxy and needs the credentials.
            options["headers"] = CIMultiDict(options["headers"], **credentials)
        if hdrs.COOKIE in options["headers"]:  # the caller's header replaces the cookie jar
            options["cookies"] = None
        options["proxy"] = proxy
        options["proxy_headers"] = CIMultiDict(credentials) if credentials else None
        super().__init__(method, url, **options)


def _proxy(url: URL) -> tuple[URL | None, dict[str, str]]:
    host = url.host or ""
    if _is_loopback(host):
        return None, {}
    scheme = {"ws": "http", "wss": "https"}.get(url.scheme, url.scheme)
    address = _from_environment(scheme)
    if not address or proxy_bypass(f"{host}:{url.port}") or proxy_bypass(host):
        return None, {}
    try:
        proxy = URL(address if "://" in address else f"http://{address}")
        is_valid = urls.is_absolute(proxy) and proxy.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:  # the message omits the address, which may contain a password
        raise BuiltinError(f"environment variable {scheme}_proxy is not a valid HTTP proxy address")
    if proxy.user is None:
        return proxy, {}
    credentials = aiohttp.encode_basic_auth(proxy.user, proxy.password or "")
    return proxy.with_user(None), {hdrs.PROXY_AUTHORIZATION: credentials}


def _from_environment(scheme: str) -> str | None:
    """Return the proxy address for a scheme, without the scan of all variables by `urllib.request.getproxies`."""
    name = f"{scheme}_proxy"
    if name in os.environ:
        return os.environ[name]
    if "REQUEST_METHOD" in os.environ:  # under CGI, HTTP_PROXY is the client's header `Proxy`
        return None
    return os.environ.get(name.upper())


@lru_cache(maxsize=256)
def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
