"""How a connection is made: its time limits, its trust, its proxy."""

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

from assay.builtins.http.options import SharedOptions
from assay.errors import BuiltinError
from assay.permissions import Permissions

TIMEOUT = 30.0


class Limits(NamedTuple):
    """Seconds, or None for no limit: for all, for the connection, between two pieces of the answer."""

    total: float | None
    connect: float | None
    read: float | None

    @lru_cache(maxsize=256)  # noqa: B019 a tuple of numbers
    def for_aiohttp(self) -> aiohttp.ClientTimeout:
        """The same in aiohttp's words."""
        return aiohttp.ClientTimeout(total=self.total, connect=self.connect, sock_read=self.read)

    def left(self, spent: float) -> aiohttp.ClientTimeout:
        """Return what is left of them, in aiohttp's words, when a redirect has taken some seconds."""
        total = None if self.total is None else max(self.total - spent, 0.001)
        return aiohttp.ClientTimeout(total=total, connect=self.connect, sock_read=self.read)


def limits(options: SharedOptions) -> Limits:
    """The time limits that options ask for."""
    return _limits(options.timeout, options.connect_timeout, options.read_timeout)


@lru_cache(maxsize=256)
def _limits(total: float | None, connect: float | None, read: float | None) -> Limits:
    return Limits(
        _seconds("timeout", TIMEOUT if total is None else total),
        _seconds("connect_timeout", connect),
        _seconds("read_timeout", read),
    )


def _seconds(name: str, value: float | None) -> float | None:
    if value is not None and not value > 0:
        raise BuiltinError(f"bad option '{name}' (a number above 0 expected, got {value})")
    return None if value is not None and math.isinf(value) else value


def tls(verify: bool | None, ca_cert: str | None, permissions: Permissions) -> ssl.SSLContext | bool:
    """Whom to trust, in aiohttp's words."""
    if verify is False:
        return False
    if ca_cert is None:
        return True
    if not ca_cert.startswith("@"):
        return _trusting(ca_cert)
    path = ca_cert[1:]
    try:
        with permissions.open(path) as file:
            certificates = file.read().decode("ascii", "replace")
    except OSError as error:
        raise BuiltinError(f"bad option 'ca_cert' ({path}: {error.strerror})") from None
    except ValueError:
        raise BuiltinError("bad option 'ca_cert' (a path without NUL expected)") from None
    return _trusting(certificates)


@lru_cache(maxsize=16)  # a connection can be used again only with the same context
def _trusting(certificates: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=certificates)
    except (ssl.SSLError, ValueError):
        problem = "bad option 'ca_cert' (PEM certificates expected, or \"@\" and the path of a file with them)"
        raise BuiltinError(problem) from None
    return context


class Request(aiohttp.ClientRequest):
    """A request, or one that a redirect led to, by way of the proxy that the environment names for its URL.

    Not aiohttp's `trust_env`: it takes a thread for each request, sends what ~/.netrc says, and asks a proxy for this
    machine's own addresses.
    """

    def __init__(self, method: str, url: URL, **options: Any) -> None:
        proxy, credentials = _proxy(url)
        if credentials and url.scheme in ("http", "ws"):
            # A request that is not tunnelled is itself the one to the proxy.
            options["headers"] = CIMultiDict(options["headers"], **credentials)
        if hdrs.COOKIE in options["headers"]:  # the caller's header replaces what the jar has
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
        fits = proxy.scheme in ("http", "https") and proxy.host and proxy.port
    except ValueError:
        fits = False
    if not fits:  # not shown: it may hold a password
        raise BuiltinError(f"the environment's {scheme}_proxy is not the address of an HTTP proxy")
    if proxy.user is None:
        return proxy, {}
    credentials = aiohttp.encode_basic_auth(proxy.user, proxy.password or "")
    return proxy.with_user(None), {hdrs.PROXY_AUTHORIZATION: credentials}


def _from_environment(scheme: str) -> str | None:
    """The address of the proxy for a scheme; `urllib.request.getproxies` reads all variables to find it."""
    name = f"{scheme}_proxy"
    if name in os.environ:
        return os.environ[name]
    if "REQUEST_METHOD" in os.environ:  # under CGI it is what a client sent as the header `Proxy`
        return None
    return os.environ.get(name.upper())


@lru_cache(maxsize=256)
def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
