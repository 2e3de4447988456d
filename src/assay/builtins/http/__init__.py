"""`http`: client and server.

`options.py` defines the option tables; `headers.py` converts headers and query parameters.

The client: `client.py` sends requests, built by `request_body.py`, over connections configured by `transport.py` and
implemented by `connection.py`. It follows redirects (`redirects.py`), decodes responses (`response_body.py`,
`decoding.py`) and maps exceptions to Lua errors (`errors.py`). `guard.py` enforces permissions.

The server: `server.py` dispatches requests by `routes.py` on connections of `protocol.py`. It sends complete responses
(`responses.py`), files (`files.py`, `ranges.py`) and server-sent events (`events.py`), and accepts WebSockets
(`handshake.py`).

aiohttp, and the modules that need it, are imported on the first request.
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

    A table body is sent as JSON with a JSON content type; a string body is sent unchanged, without a content type.
    Headers of the caller replace the default ones, including `Cookie`. The client computes `Content-Length` itself and
    ignores one in `headers`; `["Transfer-Encoding"] = "chunked"` sends the body in chunks. Responses in gzip, deflate,
    br and zstd are decompressed.

    Connections are pooled. If the server closes a pooled connection before it sends any part of a response, the
    request is sent again on a new connection. The proxies of the environment (`http_proxy`, `https_proxy`, `no_proxy`)
    are used, except for loopback addresses.

    HTTP error statuses are returned, not raised; only a failed request raises an error. The error's `kind` is one of:

    - "dns": the host does not exist.
    - "connect": the connection was refused, or a proxy rejected it.
    - "tls": the TLS handshake failed, or the certificate is not valid.
    - "timeout": a time limit expired. The server may have processed the request.
    - "redirect": there were too many redirects, or one to a URL that is not HTTP.
    - "too_large": the body has more than `max_body` bytes.
    - "protocol": the response is incomplete or not valid HTTP.

    After "dns", "connect" and "tls" the server has not received the request.
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
        options: Options of the request.
    """
    return await _send(host, "http.get", "GET", url, None, options)


@library.function(needs=NET_URL)
async def post(
    host: Host, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None
) -> Response:
    """Send a POST request.

    Args:
        url: An absolute URL.
        body: A string to send unchanged, or a table to send as JSON.
        options: Options of the request.
    """
    return await _send(host, "http.post", "POST", url, body, options)


@library.function(needs=NET_URL)
async def put(
    host: Host, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None
) -> Response:
    """Send a PUT request.

    Args:
        url: An absolute URL.
        body: A string to send unchanged, or a table to send as JSON.
        options: Options of the request.
    """
    return await _send(host, "http.put", "PUT", url, body, options)


@library.function(needs=NET_URL)
async def patch(
    host: Host, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None
) -> Response:
    """Send a PATCH request.

    Args:
        url: An absolute URL.
        body: A string to send unchanged, or a table to send as JSON.
        options: Options of the request.
    """
    return await _send(host, "http.patch", "PATCH", url, body, options)


@library.function(needs=NET_URL)
async def delete(host: Host, url: str, options: RequestOptions | None = None) -> Response:
    """Send a DELETE request.

    Args:
        url: An absolute URL.
        options: Options of the request.
    """
    return await _send(host, "http.delete", "DELETE", url, None, options)


@library.function(needs=NET_URL)
async def request(host: Host, method: str, url: str, options: RequestOptions | None = None) -> Response:
    """Send a request with any method.

    Args:
        method: The HTTP method.
        url: An absolute URL.
        options: Options of the request, including its body.
    """
    return await _send(host, "http.request", method.upper(), url, None, options)


@library.handle
class Client:
    """A client whose requests share options, such as headers, a timeout and trusted certificates."""

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
        """Release the session after Lua has collected the handle."""
        if self._session is not None:
            self._session.detach()

    @method
    async def get(self, url: str, options: RequestOptions | None = None) -> Response:
        """Send a GET request.

        Args:
            url: An absolute URL.
            options: Options of the request; they override those of the client, `headers` and `query` by name.
        """
        return await self._send("client:get", "GET", url, None, options)

    @method
    async def post(self, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None) -> Response:
        """Send a POST request.

        Args:
            url: An absolute URL.
            body: A string to send unchanged, or a table to send as JSON.
            options: Options of the request; they override those of the client, `headers` and `query` by name.
        """
        return await self._send("client:post", "POST", url, body, options)

    @method
    async def put(self, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None) -> Response:
        """Send a PUT request.

        Args:
            url: An absolute URL.
            body: A string to send unchanged, or a table to send as JSON.
            options: Options of the request; they override those of the client, `headers` and `query` by name.
        """
        return await self._send("client:put", "PUT", url, body, options)

    @method
    async def patch(
        self, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None
    ) -> Response:
        """Send a PATCH request.

        Args:
            url: An absolute URL.
            body: A string to send unchanged, or a table to send as JSON.
            options: Options of the request; they override those of the client, `headers` and `query` by name.
        """
        return await self._send("client:patch", "PATCH", url, body, options)

    @method
    async def delete(self, url: str, options: RequestOptions | None = None) -> Response:
        """Send a DELETE request.

        Args:
            url: An absolute URL.
            options: Options of the request; they override those of the client, `headers` and `query` by name.
        """
        return await self._send("client:delete", "DELETE", url, None, options)

    @method
    async def request(self, method: str, url: str, options: RequestOptions | None = None) -> Response:
        """Send a request with any method.

        Args:
            method: The HTTP method.
            url: An absolute URL.
            options: Options of the request; they override those of the client, `headers` and `query` by name.
        """
        return await self._send("client:request", method.upper(), url, None, options)


@library.function(name="client", needs=NOTHING)
def make_client(host: Host, options: ClientOptions | None = None) -> Client:
    """Return a client, which has these functions as methods and applies its options to all its requests.

    Args:
        options: Defaults for the client's requests.
    """
    from assay.builtins.http import client

    defaults = options or ClientOptions()
    client.check(defaults, host.permissions)
    return Client(host, defaults)


@library.function(needs=LISTEN)
async def serve(host: Host, port: int, routes: Routes, options: ServeOptions | None = None) -> None:
    """Serve requests until cancelled or until the process is asked to end. Handlers run concurrently.

    A handler receives `{method, path, raw_path, body, headers, query, params, path_params}`: `path` is
    percent-decoded, `raw_path` and `query` are as received, header names are in lower case, `params` holds the decoded
    query parameters and `path_params` the parameters of the route's path. It returns one of:

    - `{status = 200, body, json, headers}`: a complete response.
    - `{sse = function(send)}`: server-sent events. The function sends them with
      `send{data = …, event = …, id = …, retry = …}`; the stream ends when it returns.
    - `{ws = function(conn)}`: a WebSocket (see `ws`), which is closed when the function returns. The header
      `Sec-WebSocket-Protocol` of such a reply is the subprotocol, or an array of the subprotocols, that the handler
      supports; the server chooses one that the client offers.

    An error in a handler is logged and sent as status 500. A path without a handler is answered with 404, or with 405
    if another method has a handler. When a client disconnects, its handler is cancelled (after `half_close_timeout` if
    the client may still be reading): the call that it waits for raises an error of kind "cancelled". A WebSocket's
    function is not cancelled; its `recv` and `send` report the disconnect.

    On SIGTERM and SIGINT the server stops accepting connections, ends streams, closes WebSockets with code 1001, gives
    handlers `shutdown_timeout` to end, and then `http.serve` returns; a second signal ends the process at once.

    Args:
        port: The port to listen on; 0 picks a free one. The global `_SERVER_PORT` is set to it.
        routes: Method → path → handler, or `{static = "folder"}`. In a path, ":id" matches one segment, and a final "*"
            the rest: "/items/:id/*" sets `path_params.id` and `path_params["*"]`. If several routes match, a literal
            segment takes precedence over a parameter, and a parameter over "*".
        options: Options of the server.
    """
    from assay.builtins.http import server

    await server.serve(host, port, routes, options or ServeOptions())
