"""`http`: client and server.

`options` holds the option tables, `headers` the way of headers and parameters. `client` sends `bodies` over a
`transport` and its `connection`s, follows `redirects` and reads `contents` through `decoding`; `failures` explains what
went wrong. `server` answers by `routes` over a `protocol`, with `files` and their `ranges`, streams `events`, and opens
WebSockets by a `handshake`. `heads` is for both: where a message's head ends. Neither aiohttp nor what needs it is
imported before the first request.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, ClassVar

from assay.builtins.http.events import Send
from assay.builtins.http.options import ClientOptions, RequestOptions, Response, ServeOptions
from assay.builtins.http.routes import Routes
from assay.lua.declare import Library, method
from assay.lua.host import Host
from assay.lua.values import Json
from assay.permissions.needs import LISTEN, NET_URL, NOTHING, Needs

if TYPE_CHECKING:
    from aiohttp import ClientSession

library = Library(
    "http",
    """HTTP client and server.

    A table body is sent as JSON with its content type, a string as it is and without one; a header that the caller
    gives replaces the one that would be sent, `Cookie` included. The client itself says how long a body is: it leaves
    out a `Content-Length` of the caller's, and sends the body in chunks for `["Transfer-Encoding"] = "chunked"`.
    Connections are kept and used again; a request that one of them loses, because the server has closed it, is sent
    again over a new one when nothing of the answer has come. Answers in gzip, deflate, br and zstd are decompressed.
    The environment's proxies (`http_proxy`, `https_proxy`, `no_proxy`) are used, though not for this machine itself.

    Only a failed connection raises an error; HTTP error statuses are returned. The error's `kind` is "dns"
    (no such host), "connect" (connection refused, also by a proxy), "tls", "timeout", "redirect" (too many, or to
    something that is not HTTP), "too_large" (a body of more than `max_body` bytes), or "protocol" (the answer broke
    off, or is not HTTP). After "dns", "connect" and "tls" the server has not seen the request.
    """,
    callbacks={
        "http.serve.routes": "fun(request: http.Request): http.Reply",
        "http.ServeOptions.on_listen": "fun(port: integer)",
        "http.Reply.sse": "fun(send: http.send)",
        "http.Reply.ws": "fun(connection: ws.Connection)",
    },
    callback_tables=["assay.builtins.http.options:Request", "assay.builtins.http.options:Reply"],
)
library.handle(Send)


def _send(
    host: Host,
    title: str,
    method: str,
    url: str,
    body: bytes | Json | None,
    options: RequestOptions | None,
) -> Coroutine[Any, Any, Response]:
    from assay.builtins.http import client

    return client.send(host, title, method, url, body, options)


@library.function(needs=NET_URL)
async def get(host: Host, url: str, options: RequestOptions | None = None) -> Response:
    """Send a GET request.

    Args:
        url: An absolute URL.
        options: How to send it.
    """
    return await _send(host, "http.get", "GET", url, None, options)


@library.function(needs=NET_URL)
async def post(
    host: Host, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None
) -> Response:
    """Send a POST request.

    Args:
        url: An absolute URL.
        body: A string to send as it is, or a table to send as JSON.
        options: How to send it.
    """
    return await _send(host, "http.post", "POST", url, body, options)


@library.function(needs=NET_URL)
async def put(
    host: Host, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None
) -> Response:
    """Send a PUT request.

    Args:
        url: An absolute URL.
        body: A string to send as it is, or a table to send as JSON.
        options: How to send it.
    """
    return await _send(host, "http.put", "PUT", url, body, options)


@library.function(needs=NET_URL)
async def patch(
    host: Host, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None
) -> Response:
    """Send a PATCH request.

    Args:
        url: An absolute URL.
        body: A string to send as it is, or a table to send as JSON.
        options: How to send it.
    """
    return await _send(host, "http.patch", "PATCH", url, body, options)


@library.function(needs=NET_URL)
async def delete(host: Host, url: str, options: RequestOptions | None = None) -> Response:
    """Send a DELETE request.

    Args:
        url: An absolute URL.
        options: How to send it.
    """
    return await _send(host, "http.delete", "DELETE", url, None, options)


@library.function(needs=NET_URL)
async def request(host: Host, method: str, url: str, options: RequestOptions | None = None) -> Response:
    """Send a request with any method.

    Args:
        method: The HTTP method.
        url: An absolute URL.
        options: How to send it; its body is an option too.
    """
    return await _send(host, "http.request", method.upper(), url, None, options)


@library.handle
class Client:
    """Requests that share options, such as headers, a time-out and trusted certificates."""

    lua_name: ClassVar[str] = "http.Client"
    lua_needs: ClassVar[Needs] = NET_URL

    def __init__(self, host: Host, defaults: ClientOptions) -> None:
        self._host = host
        self._defaults = defaults
        self._session: ClientSession | None = None

    def _send(
        self, title: str, method: str, url: str, body: bytes | Json | None, options: RequestOptions | None
    ) -> Coroutine[Any, Any, Response]:
        from assay.builtins.http import client

        if self._session is None and self._defaults.cookies:
            self._session = client.session_with_cookies(self._host)
        return client.send(self._host, title, method, url, body, options, self._defaults, self._session)

    def release(self) -> None:
        """Lua has collected the handle."""
        if self._session is not None:
            self._session.detach()

    @method
    async def get(self, url: str, options: RequestOptions | None = None) -> Response:
        """Send a GET request.

        Args:
            url: An absolute URL.
            options: How to send it; what it leaves out is as the client's options say.
        """
        return await self._send("client:get", "GET", url, None, options)

    @method
    async def post(self, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None) -> Response:
        """Send a POST request.

        Args:
            url: An absolute URL.
            body: A string to send as it is, or a table to send as JSON.
            options: How to send it; what it leaves out is as the client's options say.
        """
        return await self._send("client:post", "POST", url, body, options)

    @method
    async def put(self, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None) -> Response:
        """Send a PUT request.

        Args:
            url: An absolute URL.
            body: A string to send as it is, or a table to send as JSON.
            options: How to send it; what it leaves out is as the client's options say.
        """
        return await self._send("client:put", "PUT", url, body, options)

    @method
    async def patch(
        self, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None
    ) -> Response:
        """Send a PATCH request.

        Args:
            url: An absolute URL.
            body: A string to send as it is, or a table to send as JSON.
            options: How to send it; what it leaves out is as the client's options say.
        """
        return await self._send("client:patch", "PATCH", url, body, options)

    @method
    async def delete(self, url: str, options: RequestOptions | None = None) -> Response:
        """Send a DELETE request.

        Args:
            url: An absolute URL.
            options: How to send it; what it leaves out is as the client's options say.
        """
        return await self._send("client:delete", "DELETE", url, None, options)

    @method
    async def request(self, method: str, url: str, options: RequestOptions | None = None) -> Response:
        """Send a request with any method.

        Args:
            method: The HTTP method.
            url: An absolute URL.
            options: How to send it; what it leaves out is as the client's options say.
        """
        return await self._send("client:request", method.upper(), url, None, options)


@library.function(name="client", needs=NOTHING)
def make_client(host: Host, options: ClientOptions | None = None) -> Client:
    """Make a client: the same functions as methods, with options that all its requests share.

    Args:
        options: What its requests use unless they say otherwise.
    """
    from assay.builtins.http import client

    defaults = options or ClientOptions()
    client.check(defaults, host.permissions)
    return Client(host, defaults)


@library.function(needs=LISTEN)
async def serve(host: Host, port: int, routes: Routes, options: ServeOptions | None = None) -> None:
    """Answer requests until cancelled or until the process is asked to end; handlers run concurrently.

    A handler gets `{method, path, raw_path, body, headers, query, params, path_params}`: `path` percent-decoded,
    `raw_path` as it came, header names in lower case, `query` as it came, its parameters decoded in `params`, those of
    the route's path in `path_params`. It returns `{status = 200, body, json,
    headers}`; or `{sse = function(send)}`, which sends events, `send{data = …, event = …, id = …, retry = …}`, until it
    returns; or `{ws = function(conn)}`, which talks over a WebSocket (see `ws`) until it returns. A header
    `Sec-WebSocket-Protocol` beside `ws` is the subprotocol, or an array of them, that the handler speaks; one that the
    client offers is taken. An error in a handler is a 500 and a log line. A handler whose client goes is cancelled
    (after `half_close_timeout`, if the client may still be there): what it waits for raises an error of kind
    "cancelled"; the function of a WebSocket is not; `recv` and `send` report it. Without a handler the answer is
    404, or 405 when another method has one.

    On SIGTERM and SIGINT the server accepts no more, streams end, WebSockets are closed with code 1001, handlers get
    `shutdown_timeout` to end, and then `http.serve` returns; a second signal ends the process at once.

    Args:
        port: The port to listen on; 0 picks a free one. The global `_SERVER_PORT` is set to it.
        routes: Method → path → handler, or `{static = "folder"}`. In a path, ":id" matches one segment, and "*" at the
            end all of the rest: "/items/:id/*" has `path_params.id` and `path_params["*"]`. Of several routes that
            match, segment by segment a fixed one beats a parameter, which beats "*".
        options: How to serve.
    """
    from assay.builtins.http import server

    await server.serve(host, port, routes, options or ServeOptions())
