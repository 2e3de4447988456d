"""The client side of `http`, on one aiohttp session per host so that connections are kept."""

from __future__ import annotations

import time
from contextlib import ExitStack, nullcontext
from dataclasses import fields
from typing import Any, cast

import aiohttp
from aiohttp import hdrs
from yarl import URL

from assay.builtins.http import bodies, guard, redirects, transport
from assay.builtins.http import headers as header_tables
from assay.builtins.http.connection import LostConnectionError, Request, can_be_sent_again
from assay.builtins.http.contents import MAX_BODY, Content
from assay.builtins.http.failures import FAILURES, failure
from assay.builtins.http.options import RequestOptions, Response, SharedOptions
from assay.builtins.http.redirects import Hop
from assay.builtins.websocket.sockets import ClientSocket
from assay.errors import BuiltinError, ErrorObject
from assay.lua.host import Host
from assay.lua.values import Json, Record, text_or_bytes
from assay.permissions import EVERYTHING, Permissions
from assay.version import __version__

MAX_HEADER = 100 * 1024
"""Bytes that a line of an answer's head may have: as many as curl takes."""
MAX_HEADERS = 1000
_NOTHING = RequestOptions()
_NO_FILES = nullcontext()


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
    options = _NOTHING if given is None and defaults is None else guard.admit(_merge(defaults, given), host.permissions)
    limits = transport.limits(options)
    _check_numbers(options)
    most = redirects.MAX_REDIRECTS if options.max_redirects is None else options.max_redirects
    hop = _first(method, parse(url), options, with_body=body is not None or options is not _NOTHING)
    time_left, began, followed = limits.for_aiohttp(), time.monotonic(), 0
    try:
        while True:
            try:
                found = await _exchange(over or session(host), hop, body, options, time_left, host.permissions)
            except LostConnectionError as error:
                if not can_be_sent_again(error):
                    raise
            else:
                if not isinstance(found, redirects.Redirect):
                    return found
                followed += 1
                if followed > most:
                    place = parse(url)
                    text = f"{title} failed: more than {most} redirects from {place.host}:{place.port}"
                    raise ErrorObject(text, kind="redirect")
                hop = redirects.following(hop, found, options.private_headers or ())
            time_left = limits.left(time.monotonic() - began)
    except FAILURES as error:
        raise failure(title, hop.url, limits, error) from error


async def _exchange(
    over: aiohttp.ClientSession,
    hop: Hop,
    body: bytes | Json | None,
    options: RequestOptions,
    time_left: aiohttp.ClientTimeout,
    permissions: Permissions,
) -> Response | redirects.Redirect:
    """Send one request, and read its answer unless it is a redirect to follow."""
    with ExitStack() if hop.with_body else _NO_FILES as files:
        content = {"headers": hop.headers} if files is None else _content(hop, body, options, files)
        async with over.request(
            hop.method,
            hop.url,
            timeout=time_left,
            allow_redirects=False,
            ssl=transport.tls(options.verify, options.ca_cert, permissions),
            **content,
        ) as response:
            redirect = None if options.follow_redirects is False else redirects.of(response)
            return await _answer(response, options, permissions) if redirect is None else redirect


def _content(hop: Hop, body: bytes | Json | None, options: RequestOptions, files: ExitStack) -> dict[str, Any]:
    """Return aiohttp's arguments for the body, and the headers with its type."""
    data, content_type = bodies.to_send(body, options, files)
    headers = hop.headers
    if content_type is not None and hdrs.CONTENT_TYPE not in headers:
        headers = headers.copy()
        headers[hdrs.CONTENT_TYPE] = content_type
    return {"data": data, "headers": headers, "chunked": True if hop.chunked and data is not None else None}


def _first(method: str, url: URL, options: RequestOptions, with_body: bool) -> Hop:
    """Return the request that the caller asks for."""
    if options.query:
        url = url.extend_query(list(header_tables.pairs(options.query)))
    headers = header_tables.to_send(options.headers)
    # How long the body is the client knows itself; two opinions in one request would let others smuggle a second one.
    headers.popall(hdrs.CONTENT_LENGTH, None)
    encoding = ", ".join(headers.popall(hdrs.TRANSFER_ENCODING, [])).lower()
    if encoding not in ("", "chunked"):
        raise BuiltinError(f"bad header 'Transfer-Encoding' ('chunked' expected, got {encoding!r})")
    cookies = headers.popall(hdrs.COOKIE, None)
    if cookies is not None:
        headers[hdrs.COOKIE] = "; ".join(cookies)
    return redirects.first(method, url, headers, with_body, chunked=encoding != "")


def _check_numbers(options: SharedOptions) -> None:
    for name, value in (("max_redirects", options.max_redirects), ("max_body", options.max_body)):
        if value is not None and not value >= 0:
            raise BuiltinError(f"bad option '{name}' (0 or more expected, got {value})")


async def _answer(response: aiohttp.ClientResponse, options: RequestOptions, permissions: Permissions) -> Response:
    limit = options.max_body
    if options.save_to is not None and 200 <= response.status < 300:
        content = Content(response, limit)
        saved = await content.save(options.save_to, permissions)
        return _table(response, b"", saved, decoded=content.decoded and saved > 0)
    content = Content(response, MAX_BODY if limit is None else limit)
    body = await content.read()
    return _table(response, body, None, decoded=content.decoded and body != b"")


def check(options: SharedOptions, permissions: Permissions) -> None:
    """Raise BuiltinError for defaults that no request could use, and DeniedError."""
    header_tables.to_send(options.headers)
    _check_numbers(options)
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
        request_class=Request,
        ws_response_class=ClientSocket,
        auto_decompress=False,
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


def _table(response: aiohttp.ClientResponse, content: bytes, saved: int | None, *, decoded: bool) -> Response:
    headers = header_tables.joined(response.raw_headers)
    if decoded:
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
