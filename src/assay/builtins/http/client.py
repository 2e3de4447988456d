"""The HTTP client. All requests of a host share one aiohttp session and its connection pool."""

from __future__ import annotations

import time
from contextlib import ExitStack, nullcontext
from dataclasses import fields
from typing import Any, cast

import aiohttp
from aiohttp import hdrs
from yarl import URL

from assay.builtins.http import guard, redirects, request_body, transport, urls
from assay.builtins.http import headers as header_tables
from assay.builtins.http.connection import LostConnectionError, Request, is_retryable
from assay.builtins.http.errors import CLIENT_EXCEPTIONS, lua_error
from assay.builtins.http.options import RequestOptions, Response, SharedOptions
from assay.builtins.http.redirects import Hop
from assay.builtins.http.response_body import MAX_BODY, ResponseBody
from assay.builtins.websocket.sockets import ClientSocket
from assay.errors import BuiltinError, ErrorObject
from assay.lua.host import Host
from assay.lua.values import Json, Record, text_or_bytes
from assay.permissions import EVERYTHING, Permissions
from assay.version import __version__

MAX_HEADER = 100 * 1024
"""Maximum length of a line of a response's head, in bytes; the limit of curl."""
MAX_HEADERS = 1000
_DEFAULTS = RequestOptions()
_NO_FILES = nullcontext()


async def send(
    host: Host,
    title: str,
    method: str,
    url: str,
    body: bytes | Json | None,
    request_options: RequestOptions | None,
    defaults: SharedOptions | None = None,
    client_session: aiohttp.ClientSession | None = None,
) -> Response:
    """Send a request, follow its redirects and read the response.

    Args:
        host: The host whose connections to use.
        title: The function's name in errors.
        method: The HTTP method.
        url: An absolute URL.
        body: A string or JSON; the body may also be one of the options.
        request_options: The request's options.
        defaults: The options of the client.
        client_session: The session of the client; that of the host by default.
    """
    if not header_tables.is_token(method):
        raise BuiltinError(f"bad argument 'method' (an HTTP method expected, got {method!r})")
    options = _DEFAULTS
    if request_options is not None or defaults is not None:
        options = guard.admit(_merge(defaults, request_options), host.permissions)
    timeouts = transport.timeouts(options)
    _check_numbers(options)
    max_redirects = redirects.MAX_REDIRECTS if options.max_redirects is None else options.max_redirects
    hop = _first_hop(method, urls.parse(url), options, with_body=body is not None or options is not _DEFAULTS)
    remaining, started, followed = timeouts.for_aiohttp(), time.monotonic(), 0
    try:
        while True:
            try:
                result = await _exchange(
                    client_session or session(host), hop, body, options, remaining, host.permissions
                )
            except LostConnectionError as error:
                if not is_retryable(error):
                    raise
            else:
                if not isinstance(result, redirects.Redirect):
                    return result
                followed += 1
                if followed > max_redirects:
                    origin = urls.parse(url)
                    text = f"{title} failed: more than {max_redirects} redirects from {origin.host}:{origin.port}"
                    raise ErrorObject(text, kind="redirect")
                hop = redirects.next_hop(hop, result, options.private_headers or ())
            remaining = timeouts.remaining(time.monotonic() - started)
    except CLIENT_EXCEPTIONS as error:
        raise lua_error(title, hop.url, timeouts, error) from error


async def _exchange(
    client_session: aiohttp.ClientSession,
    hop: Hop,
    body: bytes | Json | None,
    options: RequestOptions,
    timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    permissions: Permissions,
) -> Response | redirects.Redirect:
    """Send one request, and read the response unless it is a redirect to follow."""
    with ExitStack() if hop.with_body else _NO_FILES as files:
        content = {"headers": hop.headers} if files is None else _body_arguments(hop, body, options, files)
        async with client_session.request(
            hop.method,
            hop.url,
            timeout=timeout,
            allow_redirects=False,
            ssl=transport.tls(options.verify, options.ca_cert, permissions),
            **content,
        ) as response:
            redirect = None if options.follow_redirects is False else redirects.from_response(response)
            return await _read(response, options, permissions) if redirect is None else redirect


def _body_arguments(hop: Hop, body: bytes | Json | None, options: RequestOptions, files: ExitStack) -> dict[str, Any]:
    """Return aiohttp's arguments for the body and the headers."""
    data, content_type = request_body.build(body, options, files)
    headers = hop.headers
    if content_type is not None and hdrs.CONTENT_TYPE not in headers:
        headers = headers.copy()
        headers[hdrs.CONTENT_TYPE] = content_type
    return {"data": data, "headers": headers, "chunked": True if hop.chunked and data is not None else None}


def _first_hop(method: str, url: URL, options: RequestOptions, with_body: bool) -> Hop:
    """Return the first request of the chain."""
    if options.query:
        url = url.extend_query(list(header_tables.pairs(options.query)))
    headers = header_tables.to_multidict(options.headers)
    # A Content-Length that contradicts the body would allow request smuggling, so only the client sets it.
    headers.popall(hdrs.CONTENT_LENGTH, None)
    encoding = ", ".join(headers.popall(hdrs.TRANSFER_ENCODING, [])).lower()
    if encoding not in ("", "chunked"):
        raise BuiltinError(f"bad header 'Transfer-Encoding' ('chunked' expected, got {encoding!r})")
    cookies = headers.popall(hdrs.COOKIE, None)
    if cookies is not None:
        headers[hdrs.COOKIE] = "; ".join(cookies)
    return redirects.first_hop(method, url, headers, with_body, chunked=encoding != "")


def _check_numbers(options: SharedOptions) -> None:
    for name, value in (("max_redirects", options.max_redirects), ("max_body", options.max_body)):
        if value is not None and not value >= 0:
            raise BuiltinError(f"bad option '{name}' (0 or more expected, got {value})")


async def _read(response: aiohttp.ClientResponse, options: RequestOptions, permissions: Permissions) -> Response:
    max_body = options.max_body
    if options.save_to is not None and 200 <= response.status < 300:
        body = ResponseBody(response, max_body)
        saved = await body.save(options.save_to, permissions)
        return _table(response, b"", saved, decoded=body.decoded and saved > 0)
    body = ResponseBody(response, MAX_BODY if max_body is None else max_body)
    content = await body.read()
    return _table(response, content, None, decoded=body.decoded and content != b"")


def check(options: SharedOptions, permissions: Permissions) -> None:
    """Check the options of a client. Raises BuiltinError if one is invalid, or DeniedError."""
    header_tables.to_multidict(options.headers)
    _check_numbers(options)
    transport.timeouts(options)
    transport.tls(options.verify, options.ca_cert, permissions)


def session(host: Host, right: guard.Right = "net") -> aiohttp.ClientSession:
    """Return the host's session. Under a policy there is one for each right, because each has its own allowed hosts."""
    name = f"http.{right}" if host.permissions.restricts else "http"
    kept = host.kept.get(name)
    if kept is None:
        kept = host.kept[name] = new_session(host.permissions, right)
    return cast(aiohttp.ClientSession, kept)


def new_session(permissions: Permissions = EVERYTHING, right: guard.Right = "net") -> aiohttp.ClientSession:
    """Return a session with a separate connection pool and without cookies."""
    return _open(guard.connector(permissions, right), aiohttp.DummyCookieJar())


def session_with_cookies(host: Host) -> aiohttp.ClientSession:
    """Return a session that shares the host's connections and has its own cookies."""
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


def _merge(defaults: SharedOptions | None, options: RequestOptions | None) -> RequestOptions:
    options = options or RequestOptions()
    if defaults is None:
        return options
    merged = {field.name: getattr(options, field.name) for field in fields(options)}
    for field in fields(SharedOptions):
        value = getattr(defaults, field.name)
        if merged[field.name] is None:
            merged[field.name] = value
        elif field.name == "query" and value is not None:
            merged["query"] = value | merged["query"]
        elif field.name == "headers" and value is not None:
            overridden = {name.lower() for name in merged["headers"]}
            merged["headers"] |= {name: item for name, item in value.items() if name.lower() not in overridden}
    return RequestOptions(**merged)


def _table(response: aiohttp.ClientResponse, content: bytes, saved: int | None, *, decoded: bool) -> Response:
    headers = header_tables.joined(response.raw_headers)
    if decoded:
        del headers[b"content-encoding"]
        headers.pop(b"content-length", None)
    if saved is None and b"set-cookie" not in headers:
        # The common case, in the form that is converted to Lua fastest.
        return cast(Response, Record({b"status": response.status, b"body": content}, {b"headers": headers}))
    table: dict[str, Any] = {name.decode("latin-1"): text_or_bytes(value) for name, value in headers.items()}
    cookies = [text_or_bytes(value) for name, value in response.raw_headers if name.lower() == b"set-cookie"]
    if len(cookies) > 1:
        table["set-cookie"] = cookies
    return Response(response.status, content, table, saved)
