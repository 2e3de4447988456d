"""The client side of `http`, on one aiohttp session per host so that connections are kept."""

from __future__ import annotations

import io
import math
import os
import ssl
from dataclasses import fields
from functools import lru_cache
from ipaddress import ip_address
from typing import cast
from urllib.parse import urlencode
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp import hdrs
from multidict import MultiMapping
from yarl import URL

from assay import __version__
from assay.builtins.http import headers as header_tables
from assay.builtins.http.options import ClientOptions, RequestOptions, Response
from assay.errors import BuiltinError, ErrorObject
from assay.lua.host import Host
from assay.lua.values import Json

TIMEOUT = 30.0
MAX_REDIRECTS = 10
_DECODED = {"gzip", "deflate", "br", "zstd"}
_LARGE = 1 << 20  # aiohttp wants bodies beyond this as a file, so that it can write them piece by piece


async def send(
    host: Host,
    title: str,
    method: str,
    url: str,
    body: bytes | Json | None,
    given: RequestOptions | None,
    defaults: ClientOptions | None = None,
) -> Response:
    """Send a request and read the whole response.

    Args:
        host: Whose connections to use.
        title: The function's name in errors.
        method: The HTTP method.
        url: An absolute URL.
        body: A string as it is, or JSON; the options may have one instead.
        given: The request's options.
        defaults: The options of its client.
    """
    options = _merge(defaults, given)
    if not header_tables.is_token(method):
        raise BuiltinError(f"bad argument 'method' (an HTTP method expected, got {method!r})")
    target = _parse(url)
    headers = header_tables.to_send(options.headers)
    data, content_type = _content(body, options)
    if content_type is not None:
        headers.setdefault(hdrs.CONTENT_TYPE, content_type)
    timeout = _timeout(options.timeout)
    proxy, proxy_headers = _proxy(target)
    if target.scheme == "http":
        headers.update(proxy_headers)  # a request that is not tunnelled is itself the one to the proxy
    try:
        async with _session(host).request(
            method,
            target,
            params=list(header_tables.pairs(options.query or {})),
            headers=headers,
            data=io.BytesIO(data) if data is not None and len(data) > _LARGE else data,
            timeout=aiohttp.ClientTimeout(total=timeout),
            allow_redirects=options.follow_redirects is not False,
            max_redirects=MAX_REDIRECTS,
            ssl=_ssl(options),
            proxy=proxy,
            proxy_headers=proxy_headers,
        ) as response:
            return Response(response.status, content := await response.read(), _headers(response.headers, content))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _failure(title, target, timeout, error) from error


def check(options: ClientOptions) -> None:
    """Raise BuiltinError for defaults that no request could use."""
    header_tables.to_send(options.headers)
    _timeout(options.timeout)
    _ssl(options)


def _session(host: Host) -> aiohttp.ClientSession:
    session = host.kept.get("http")
    if session is None:
        session = host.kept["http"] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={hdrs.USER_AGENT: f"assay/{__version__}"},
            skip_auto_headers=[hdrs.CONTENT_TYPE],
        )
    return cast(aiohttp.ClientSession, session)


def _merge(defaults: ClientOptions | None, given: RequestOptions | None) -> RequestOptions:
    given = given or RequestOptions()
    if defaults is None:
        return given
    merged = {field.name: getattr(given, field.name) for field in fields(given)}
    for field in fields(defaults):
        value = getattr(defaults, field.name)
        if merged[field.name] is None:
            merged[field.name] = value
        elif field.name == "query" and value is not None:
            merged["query"] = value | merged["query"]
        elif field.name == "headers" and value is not None:
            own = {name.lower() for name in merged["headers"]}
            merged["headers"] |= {name: item for name, item in value.items() if name.lower() not in own}
    return RequestOptions(**merged)


def _parse(url: str) -> URL:
    try:
        target = URL(url)
        if target.scheme in ("http", "https") and target.host and target.port is not None:
            return target
    except ValueError:
        pass
    raise BuiltinError(f"bad argument 'url' (an http:// or https:// URL expected, got {url!r})")


def _content(body: bytes | Json | None, options: RequestOptions) -> tuple[bytes | None, str | None]:
    contents = [item for item in (body, options.body, options.json) if item is not None]
    if len(contents) + (options.form is not None) > 1:
        raise BuiltinError("more than one body: give a body, or one of the options 'body', 'json' and 'form'")
    if options.form is not None:
        return urlencode(list(header_tables.pairs(options.form))).encode(), "application/x-www-form-urlencoded"
    if not contents:
        return None, None
    return bytes(contents[0]), "application/json" if isinstance(contents[0], Json) else None


def _timeout(seconds: float | None) -> float | None:
    if seconds is None:
        return TIMEOUT
    if not seconds > 0:
        raise BuiltinError(f"bad option 'timeout' (a number above 0 expected, got {seconds})")
    return None if math.isinf(seconds) else seconds


def _ssl(options: ClientOptions) -> ssl.SSLContext | bool:
    if options.verify is False:
        return False
    if options.ca_cert is None:
        return True
    if not options.ca_cert.startswith("@"):
        return _trusting(options.ca_cert)
    with open(options.ca_cert[1:], encoding="ascii", errors="replace") as file:
        return _trusting(file.read())


@lru_cache(maxsize=16)  # a connection can be used again only with the same context
def _trusting(certificates: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=certificates)
    except (ssl.SSLError, ValueError):
        raise BuiltinError("bad option 'ca_cert' (PEM certificates expected)") from None
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _proxy(url: URL) -> tuple[URL | None, dict[str, str]]:
    # Not aiohttp's `trust_env`: it takes a thread for each request, sends what ~/.netrc says, and asks a proxy for
    # this machine's own addresses.
    host = url.host or ""
    address = None if _is_loopback(host) or proxy_bypass(host) else getproxies().get(url.scheme)
    if not address:
        return None, {}
    proxy = URL(address if "://" in address else f"http://{address}")
    if proxy.user is None:
        return proxy, {}
    credentials = aiohttp.encode_basic_auth(proxy.user, proxy.password or "")
    return proxy.with_user(None), {hdrs.PROXY_AUTHORIZATION: credentials}


def _headers(headers: MultiMapping[str], body: bytes) -> dict[str, str | bytes | list[str | bytes]]:
    table = header_tables.received(headers)
    if body and str(table.get("content-encoding", "")).lower() in _DECODED:
        del table["content-encoding"]
        table.pop("content-length", None)
    return table


def _failure(title: str, url: URL, timeout: float | None, error: Exception) -> Exception:
    place = f"{url.host}:{url.port}"
    kind = "connection"
    match error:
        case TimeoutError():
            kind, text = "timeout", f"no complete answer from {place} within {timeout:g} s"
        case aiohttp.TooManyRedirects():
            kind, text = "redirect", f"more than {MAX_REDIRECTS} redirects from {place}"
        case aiohttp.RedirectClientError():
            kind, text = "redirect", f"{place} redirects to a URL that is not HTTP: {error}"
        case aiohttp.InvalidURL():
            return BuiltinError(f"bad argument 'url' ({error})")
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
    return ErrorObject(f"{title} failed: {text}", kind=kind)


def _tls_text(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    reason = getattr(error, "reason", None)
    return f"TLS handshake failed: {(reason or str(error)).lower().replace('_', ' ')}"


def _system_text(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
