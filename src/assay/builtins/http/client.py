"""The client side of `http`, on one aiohttp session per host so that connections are kept."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import fields
from typing import Any, cast

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from assay import __version__
from assay.builtins.http import bodies, guard, transport
from assay.builtins.http import headers as header_tables
from assay.builtins.http.failures import failure
from assay.builtins.http.options import RequestOptions, Response, SharedOptions
from assay.errors import BuiltinError
from assay.lua.host import Host
from assay.lua.values import Json, Record, text_or_bytes
from assay.permissions import EVERYTHING, Permissions

MAX_REDIRECTS = 10
MAX_HEADER = 100 * 1024
"""Bytes that a line of an answer's head may have: as many as curl takes."""
MAX_HEADERS = 1000
_NOTHING = RequestOptions()
_DECODED = (b"gzip", b"deflate", b"br", b"zstd")


async def send(
    host: Host,
    title: str,
    method: str,
    url: str,
    body: bytes | Json | None,
    given: RequestOptions | None,
    defaults: SharedOptions | None = None,
    over: aiohttp.ClientSession | None = None,
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
        over: The session of its client; the host's if left out.
    """
    if not header_tables.is_token(method):
        raise BuiltinError(f"bad argument 'method' (an HTTP method expected, got {method!r})")
    if body is None and given is None and defaults is None:
        return await _exchange(host, title, method, parse(url), _NOTHING, None, CIMultiDict(), over)
    options = guard.admit(_merge(defaults, given), host.permissions)
    target = parse(url)
    headers = header_tables.to_send(options.headers)
    with ExitStack() as files:
        data, content_type = bodies.to_send(body, options, files)
        if content_type is not None:
            headers.setdefault(hdrs.CONTENT_TYPE, content_type)
        return await _exchange(host, title, method, target, options, data, headers, over)


async def _exchange(
    host: Host,
    title: str,
    method: str,
    target: URL,
    options: RequestOptions,
    data: Any,
    headers: CIMultiDict[str],
    over: aiohttp.ClientSession | None,
) -> Response:
    limits = transport.limits(options)
    redirects = MAX_REDIRECTS if options.max_redirects is None else options.max_redirects
    if redirects < 0:
        raise BuiltinError(f"bad option 'max_redirects' (0 or more expected, got {redirects})")
    try:
        async with (over or session(host)).request(
            method,
            target,
            params=list(header_tables.pairs(options.query)) if options.query else None,
            headers=headers,
            data=data,
            timeout=limits.for_aiohttp(),
            allow_redirects=options.follow_redirects is not False,
            max_redirects=redirects + 1,
            ssl=transport.tls(options.verify, options.ca_cert, host.permissions),
        ) as response:
            saved, content = None, b""
            if options.save_to is not None and 200 <= response.status < 300:
                saved = await bodies.save(response, options.save_to, host.permissions)
            else:
                content = await response.read()
            return _table(response, content, saved)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise failure(title, target, limits, error) from error


def check(options: SharedOptions, permissions: Permissions) -> None:
    """Raise BuiltinError for defaults that no request could use, and DeniedError."""
    header_tables.to_send(options.headers)
    transport.limits(options)
    transport.tls(options.verify, options.ca_cert, permissions)


def session(host: Host, right: guard.Right = "net") -> aiohttp.ClientSession:
    """The session of the host, whose connections all others share. A policy says for each right where they may lead."""
    name = f"http.{right}" if host.permissions.restricts else "http"
    kept = host.kept.get(name)
    if kept is None:
        kept = host.kept[name] = new_session(host.permissions, right)
    return cast(aiohttp.ClientSession, kept)


def new_session(permissions: Permissions = EVERYTHING, right: guard.Right = "net") -> aiohttp.ClientSession:
    """A session with connections of its own, which keeps no cookies."""
    return _open(guard.connector(permissions, right), aiohttp.DummyCookieJar())


def session_with_cookies(host: Host) -> aiohttp.ClientSession:
    """A session of its own that keeps cookies."""
    connector = session(host).connector
    assert connector is not None
    return _open(connector, aiohttp.CookieJar(unsafe=True), connector_owner=False)  # cookies of IP addresses too


def _open(
    connector: aiohttp.BaseConnector, cookies: aiohttp.abc.AbstractCookieJar, connector_owner: bool = True
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        connector_owner=connector_owner,
        cookie_jar=cookies,
        headers={hdrs.USER_AGENT: f"assay/{__version__}"},
        skip_auto_headers=[hdrs.CONTENT_TYPE],
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
        max_headers=MAX_HEADERS,
        request_class=transport.Request,
    )


def _merge(defaults: SharedOptions | None, given: RequestOptions | None) -> RequestOptions:
    given = given or RequestOptions()
    if defaults is None:
        return given
    merged = {field.name: getattr(given, field.name) for field in fields(given)}
    for field in fields(SharedOptions):
        value = getattr(defaults, field.name)
        if merged[field.name] is None:
            merged[field.name] = value
        elif field.name == "query" and value is not None:
            merged["query"] = value | merged["query"]
        elif field.name == "headers" and value is not None:
            own = {name.lower() for name in merged["headers"]}
            merged["headers"] |= {name: item for name, item in value.items() if name.lower() not in own}
    return RequestOptions(**merged)


def parse(url: str) -> URL:
    try:
        target = URL(url)
        if target.scheme in ("http", "https") and target.host and target.port is not None:
            return target
    except ValueError:
        pass
    raise BuiltinError(f"bad argument 'url' (an http:// or https:// URL expected, got {url!r})")


def _table(response: aiohttp.ClientResponse, content: bytes, saved: int | None) -> Response:
    headers = header_tables.joined(response.raw_headers)
    if (content or saved) and headers.get(b"content-encoding", b"").lower() in _DECODED:
        del headers[b"content-encoding"]
        headers.pop(b"content-length", None)
    if saved is None and b"set-cookie" not in headers:
        # The usual answer, in the form that crosses fastest.
        return cast(Response, Record({b"status": response.status, b"body": content}, {b"headers": headers}))
    table: dict[str, Any] = {name.decode("latin-1"): text_or_bytes(value) for name, value in headers.items()}
    cookies = [text_or_bytes(value) for name, value in response.raw_headers if name.lower() == b"set-cookie"]
    if len(cookies) > 1:
        table["set-cookie"] = cookies
    return Response(response.status, content, table, saved)
