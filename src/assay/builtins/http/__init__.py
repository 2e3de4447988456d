"""`http`: client and server.

`options` holds the option tables, `headers` the way of headers and parameters, `client` sends over `connections`,
`server` answers by `routes`, and streams `events`. Neither aiohttp nor what needs it is imported before the first
request.
"""

from __future__ import annotations

from typing import ClassVar

from assay.builtins.http.events import Send
from assay.builtins.http.options import ClientOptions, RequestOptions, Response, ServeOptions
from assay.builtins.http.routes import Routes
from assay.lua.declare import Library, method
from assay.lua.host import Host
from assay.lua.values import Json

library = Library(
    "http",
    """HTTP client and server.

    A table body is sent as JSON with its content type, a string as it is and without one; a header that the caller
    gives replaces the one that would be sent. Connections are kept and used again. Only a failed connection is an
    error, with a `kind` of "connection", "timeout", "tls" or "redirect"; a response that tells of an error is a
    response. The environment's proxies (`http_proxy`, `https_proxy`, `no_proxy`) are used, though not for this machine
    itself.
    """,
)
library.handle(Send)


async def _send(
    host: Host,
    title: str,
    method: str,
    url: str,
    body: bytes | Json | None,
    options: RequestOptions | None,
    defaults: ClientOptions | None = None,
) -> Response:
    from assay.builtins.http import client

    return await client.send(host, title, method, url, body, options, defaults)


@library.function()
async def get(host: Host, url: str, options: RequestOptions | None = None) -> Response:
    """Send a GET request.

    Args:
        url: An absolute URL.
        options: How to send it.
    """
    return await _send(host, "http.get", "GET", url, None, options)


@library.function()
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


@library.function()
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


@library.function()
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


@library.function()
async def delete(host: Host, url: str, options: RequestOptions | None = None) -> Response:
    """Send a DELETE request.

    Args:
        url: An absolute URL.
        options: How to send it.
    """
    return await _send(host, "http.delete", "DELETE", url, None, options)


@library.function()
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

    def __init__(self, host: Host, defaults: ClientOptions) -> None:
        self._host = host
        self._defaults = defaults

    @method
    async def get(self, url: str, options: RequestOptions | None = None) -> Response:
        """Send a GET request.

        Args:
            url: An absolute URL.
            options: How to send it; what it leaves out is as the client's options say.
        """
        return await _send(self._host, "client:get", "GET", url, None, options, self._defaults)

    @method
    async def post(self, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None) -> Response:
        """Send a POST request.

        Args:
            url: An absolute URL.
            body: A string to send as it is, or a table to send as JSON.
            options: How to send it; what it leaves out is as the client's options say.
        """
        return await _send(self._host, "client:post", "POST", url, body, options, self._defaults)

    @method
    async def put(self, url: str, body: bytes | Json | None = None, options: RequestOptions | None = None) -> Response:
        """Send a PUT request.

        Args:
            url: An absolute URL.
            body: A string to send as it is, or a table to send as JSON.
            options: How to send it; what it leaves out is as the client's options say.
        """
        return await _send(self._host, "client:put", "PUT", url, body, options, self._defaults)

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
        return await _send(self._host, "client:patch", "PATCH", url, body, options, self._defaults)

    @method
    async def delete(self, url: str, options: RequestOptions | None = None) -> Response:
        """Send a DELETE request.

        Args:
            url: An absolute URL.
            options: How to send it; what it leaves out is as the client's options say.
        """
        return await _send(self._host, "client:delete", "DELETE", url, None, options, self._defaults)

    @method
    async def request(self, method: str, url: str, options: RequestOptions | None = None) -> Response:
        """Send a request with any method.

        Args:
            method: The HTTP method.
            url: An absolute URL.
            options: How to send it; what it leaves out is as the client's options say.
        """
        return await _send(self._host, "client:request", method.upper(), url, None, options, self._defaults)


@library.function(name="client")
def make_client(host: Host, options: ClientOptions | None = None) -> Client:
    """Make a client: the same functions as methods, with options that all its requests share.

    Args:
        options: What its requests use unless they say otherwise.
    """
    from assay.builtins.http import client

    defaults = options or ClientOptions()
    client.check(defaults)
    return Client(host, defaults)


@library.function()
async def serve(host: Host, port: int, routes: Routes, options: ServeOptions | None = None) -> None:
    """Answer requests until cancelled; handlers run concurrently, and an error in one is a 500 and a line on stderr.

    A handler gets `{method, path, body, headers, query, params}`: `path` percent-decoded, header names in lower case,
    `query` as it came, `params` decoded. It returns `{status = 200, body, json, headers}`, or `{sse = function(send)}`
    which sends events, `send{data = …, event = …, id = …, retry = …}`, until it returns. Without a handler the answer
    is 404, or 405 when another method has one.

    Args:
        port: The port to listen on; 0 picks a free one. The global `_SERVER_PORT` tells it.
        routes: Method → path → handler. A path that ends in "/*" matches all below it; an exact path beats it, and
            the longest of several wins.
        options: How to serve.
    """
    from assay.builtins.http import server

    await server.serve(host, port, routes, options or ServeOptions())
