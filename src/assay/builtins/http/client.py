"""The client side of `http`, on one aiohttp session per host so that connections are kept."""

from __future__ import annotations

import io
import math
import ssl
from dataclasses import fields
from functools import lru_cache
from urllib.parse import urlencode

import aiohttp
from aiohttp import hdrs
from multidict import MultiMapping
from yarl import URL

from assay.builtins.http import connections
from assay.builtins.http import headers as header_tables
from assay.builtins.http.options import ClientOptions, RequestOptions, Response
from assay.errors import BuiltinError, ErrorObject
from assay.lua.host import Host
from assay.lua.values import Json

TIMEOUT = 30.0
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
    target = connections.parse(url)
    headers = header_tables.to_send(options.headers)
    data, content_type = _content(body, options)
    if content_type is not None:
        headers.setdefault(hdrs.CONTENT_TYPE, content_type)
    timeout = _timeout(options.timeout)
    proxy, proxy_headers = connections.proxy(target)
    if target.scheme == "http":
        headers.update(proxy_headers)  # a request that is not tunnelled is itself the one to the proxy
    try:
        async with connections.session(host).request(
            method,
            target,
            params=list(header_tables.pairs(options.query or {})),
            headers=headers,
            data=io.BytesIO(data) if data is not None and len(data) > _LARGE else data,
            timeout=aiohttp.ClientTimeout(total=timeout),
            allow_redirects=options.follow_redirects is not False,
            max_redirects=connections.MAX_REDIRECTS,
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


def _headers(headers: MultiMapping[str], body: bytes) -> dict[str, str | bytes | list[str | bytes]]:
    table = header_tables.received(headers)
    if body and str(table.get("content-encoding", "")).lower() in _DECODED:
        del table["content-encoding"]
        table.pop("content-length", None)
    return table


def _failure(title: str, url: URL, timeout: float | None, error: Exception) -> Exception:
    if isinstance(error, aiohttp.InvalidURL) and not isinstance(error, aiohttp.RedirectClientError):
        return BuiltinError(f"bad argument 'url' ({error})")
    kind, text = connections.explain(url, timeout, error)
    return ErrorObject(f"{title} failed: {text}", kind=kind)
