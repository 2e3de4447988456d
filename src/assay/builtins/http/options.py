"""Tables of `http`: options, the client's response, the server's request and reply."""

from __future__ import annotations

from dataclasses import dataclass

from assay.lua.function import LuaFunction
from assay.lua.values import Json, Path

Scalar = str | float | bool
HeaderValue = str | float | list[str]
"""Value of a header; an array is sent as several headers with that name."""


@dataclass(kw_only=True)
class SharedOptions:
    """Options of a request and of a client.

    Attributes:
        headers: Header name → value, or an array of values; each replaces the default header of that name.
        query: Parameter name → value, or an array of values; added to the query of the URL.
        timeout: Maximum duration of the whole request including the response body, in seconds; 30 by default,
            `math.huge` for no limit.
        connect_timeout: Maximum time to obtain a connection, in seconds, including name resolution, proxy and TLS.
            Limited only by `timeout` by default.
        read_timeout: Maximum time between two reads of the response, in seconds. Limited only by `timeout` by default.
        max_body: Maximum size of the decompressed response body, in bytes; a larger one raises an error of kind
            "too_large". 100 MiB by default, unlimited for a body that is saved to a file (`save_to`).
        follow_redirects: Follow redirects; true by default. `POST` becomes `GET` on a 301, 302 or 303.
        max_redirects: Maximum number of redirects to follow; 10 by default.
        private_headers: Names of headers to drop when a redirect leads to another origin (scheme, host and port).
            `Authorization`, `Cookie` and `Proxy-Authorization` are always dropped.
        verify: Verify the server's TLS certificate; true by default.
        ca_cert: Certificates to trust in addition to the system's: PEM text, or "@" and the path of a PEM file.
    """

    headers: dict[str, HeaderValue] | None = None
    query: dict[str, Scalar | list[Scalar]] | None = None
    timeout: float | None = None
    connect_timeout: float | None = None
    read_timeout: float | None = None
    max_body: float | None = None
    follow_redirects: bool | None = None
    max_redirects: int | None = None
    private_headers: list[str] | None = None
    verify: bool | None = None
    ca_cert: str | None = None


@dataclass(kw_only=True)
class ClientOptions(SharedOptions):
    """Options of a client, the defaults for its requests.

    Attributes:
        cookies: Store the cookies that servers set, and send them back.
    """

    cookies: bool = True


@dataclass(kw_only=True)
class Part:
    """A part of a multipart form.

    Attributes:
        name: The field's name.
        body: The part's content.
        file: The path of a file to stream as the part's content, instead of `body`.
        filename: The file name to send; the name of `file` by default.
        content_type: The part's content type; guessed from the file name by default.
    """

    name: str
    body: bytes | None = None
    file: Path | None = None
    filename: str | None = None
    content_type: str | None = None


@dataclass(kw_only=True)
class RequestOptions(SharedOptions):
    """Options of one request. `body`, `json`, `form`, `multipart` and `file` are mutually exclusive.

    Attributes:
        body: A string to send unchanged, or a table to send as JSON.
        json: A value to send as JSON.
        form: Field name → value, or an array of values, to send as `application/x-www-form-urlencoded`.
        multipart: Parts to send as `multipart/form-data`.
        file: The path of a file to stream unchanged.
        save_to: The path of a file to which the body of a response with a 2xx status is streamed; missing folders are
            created. The file appears when the response is complete. Other responses have their body in `body`.
    """

    body: bytes | Json | None = None
    json: Json | None = None
    form: dict[str, Scalar | list[Scalar]] | None = None
    multipart: list[Part] | None = None
    file: Path | None = None
    save_to: Path | None = None


@dataclass
class Response:
    """Response of a server.

    Attributes:
        status: The HTTP status; an error status raises no Lua error.
        body: The decompressed body; "" if it was saved to a file.
        headers: Lower-case header name → value. Several headers with one name are joined by ", ", except `set-cookie`:
            several of those are an array.
        saved: Number of bytes written to the file of `save_to`; absent if no file was written.
    """

    status: int
    body: bytes
    headers: dict[str, str | bytes | list[str | bytes]]
    saved: int | None = None


@dataclass(kw_only=True)
class StaticFiles:
    """A route that serves files, with content types, range requests and conditional requests.

    Text files are sent as UTF-8, unless `headers` has another `Content-Type`. The URL of a folder without a trailing
    slash redirects to the URL with it, so that relative links work.

    Files outside the folder are never served, not even through symbolic links, nor are names that begin with a dot
    (except `.well-known`).

    Attributes:
        static: A folder, for a path that ends in "/*"; or a file.
        index: Name of the file to serve for a folder; "" for none.
        headers: Header name → value, or an array of values.
    """

    static: str
    index: str = "index.html"
    headers: dict[str, HeaderValue] | None = None


@dataclass(kw_only=True)
class ServeOptions:
    """Options of a server.

    Attributes:
        host: The address to listen on; "0.0.0.0" for all interfaces.
        on_listen: Called with the port once the server listens.
        max_body: Maximum size of a request's body, in bytes; a larger one is rejected with status 413.
        max_message: Maximum size of a WebSocket message, in bytes; a larger one closes the connection with code 1009.
        read_timeout: Maximum time to receive a request's body, in seconds; then the request is rejected with
            status 408.
        idle_timeout: Maximum time to receive a request's head, in seconds, on a new or an idle connection; then the
            connection is closed.
        half_close_timeout: Maximum time without progress of a response, in seconds, after the client has closed its
            side of the connection; then the handler is cancelled. Both a client that still waits for the response and
            one that has disconnected look like that.
        shutdown_timeout: Maximum time for handlers to end when the server stops, in seconds; then they are cancelled.
        access_log: Write a log line when a request ends, without a status if the client disconnected before the
            response began.
    """

    host: str = "127.0.0.1"
    on_listen: LuaFunction | None = None
    max_body: int = 10 * 1024 * 1024
    max_message: int = 10 * 1024 * 1024
    read_timeout: float = 30
    idle_timeout: float = 75
    half_close_timeout: float = 5
    shutdown_timeout: float = 10
    access_log: bool = False


@dataclass(kw_only=True)
class Request:
    """Request that a handler of `http.serve` receives.

    Attributes:
        method: The HTTP method.
        path: The path, percent-decoded.
        raw_path: The path as received.
        body: The body's bytes.
        headers: Lower-case header name → value.
        query: The query string as received.
        params: The decoded query parameters.
        path_params: The decoded parameters of the route's path: "id" for ":id", "*" for the rest.
    """

    method: str
    path: str
    raw_path: str
    body: bytes
    headers: dict[str, str]
    query: str
    params: dict[str, str]
    path_params: dict[str, str]


@dataclass(kw_only=True)
class Reply:
    """Reply that a handler returns.

    Attributes:
        status: The HTTP status.
        body: The body's bytes.
        json: A value to send as JSON instead of `body`.
        headers: Header name → value, or an array of values that are sent as several headers.
        sse: A function that receives `send` and sends server-sent events until it returns.
        ws: A function that receives the WebSocket's connection, which is closed when it returns.
    """

    status: int = 200
    body: bytes = b""
    json: Json | None = None
    headers: dict[str, HeaderValue] | None = None
    sse: LuaFunction | None = None
    ws: LuaFunction | None = None
