"""The tables of `http`: options, the response of its client, the request and the reply of its server."""

from __future__ import annotations

from dataclasses import dataclass

from assay.lua.function import LuaFunction
from assay.lua.values import Json, Path

Scalar = str | float | bool
HeaderValue = str | float | list[str]
"""What a header may be given as; an array is sent as several headers of that name."""


@dataclass(kw_only=True)
class SharedOptions:
    """What a request and a client have in common.

    Attributes:
        headers: Header name → value, or an array of values; each replaces the one that would be sent otherwise.
        query: Parameter name → value, or an array of values; added to the query of the URL.
        timeout: Seconds for the whole request and the response's body; 30 when left out, `math.huge` for no limit.
        connect_timeout: Seconds to get a connection: name look-up, proxy and TLS included. No limit of its own when
            left out.
        read_timeout: Seconds without a byte of the answer. No limit of its own when left out.
        max_body: Bytes that the body of an answer may have, decompressed; a longer one is an error of kind "too_large".
            100 MiB when left out, but no limit for a body that goes into a file (`save_to`).
        follow_redirects: Follow redirects (true when left out). `POST` becomes `GET` on a 301, 302 or 303.
        max_redirects: How many redirects to follow; 10 when left out.
        private_headers: Names of headers that are not sent to another origin (scheme, host and port) after a redirect,
            as `Authorization`, `Cookie` and `Proxy-Authorization` never are.
        verify: Check the server's TLS certificate (true when left out).
        ca_cert: Certificates to trust beside the system's, as PEM text or as "@" and the path of a PEM file.
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
    """What the requests of a client use unless they say otherwise.

    Attributes:
        cookies: Keep the cookies that servers set, and send them back.
    """

    cookies: bool = True


@dataclass(kw_only=True)
class Part:
    """A part of a multipart form.

    Attributes:
        name: The field's name.
        body: The part's content.
        file: The path of a file to send as the part's content, piece by piece, instead of `body`.
        filename: The name that the receiver sees; the file's own when left out.
        content_type: The part's content type; guessed from the file's name when left out.
    """

    name: str
    body: bytes | None = None
    file: Path | None = None
    filename: str | None = None
    content_type: str | None = None


@dataclass(kw_only=True)
class RequestOptions(SharedOptions):
    """How to send one request. At most one of `body`, `json`, `form`, `multipart` and `file` says what to send.

    Attributes:
        body: A string to send as it is, or a table to send as JSON.
        json: A value to send as JSON.
        form: Field name → value, or an array of values, to send as an HTML form does.
        multipart: Parts to send as an HTML form with files does.
        file: The path of a file to send as it is, piece by piece.
        save_to: The path of a file that gets the body of an answer with a status of 2xx, piece by piece; folders are
            made. It appears when the answer is complete. Any other answer has its body in `body`.
    """

    body: bytes | Json | None = None
    json: Json | None = None
    form: dict[str, Scalar | list[Scalar]] | None = None
    multipart: list[Part] | None = None
    file: Path | None = None
    save_to: Path | None = None


@dataclass
class Response:
    """What a server answered.

    Attributes:
        status: The HTTP status; an error status raises no Lua error.
        body: The body's bytes, decompressed; "" when they went into a file.
        headers: Lower-case header name → value. Several headers of a name are joined by ", ", but several
            `set-cookie` headers are an array.
        saved: How many bytes went into the file of `save_to`; absent when none was written.
    """

    status: int
    body: bytes
    headers: dict[str, str | bytes | list[str | bytes]]
    saved: int | None = None


@dataclass(kw_only=True)
class StaticFiles:
    """A route whose answers are files, with content types, ranges and conditional requests.

    A file of text is sent as UTF-8, unless `headers` has another `Content-Type`. The URL of a folder without a slash at
    its end redirects to the one with it, so that relative links work.

    Nothing outside of the folder is answered, links that lead out of it included, nor a name that begins with a dot
    (`.well-known` excepted).

    Attributes:
        static: A folder, for a path that ends in "/*"; or a file.
        index: The file that is answered for a folder; "" for none.
        headers: Header name → value, or an array of values.
    """

    static: str
    index: str = "index.html"
    headers: dict[str, HeaderValue] | None = None


@dataclass(kw_only=True)
class ServeOptions:
    """How to serve.

    Attributes:
        host: The address to listen on; "0.0.0.0" for all.
        on_listen: Called with the port when the server listens.
        max_body: Bytes that a request's body may have; a longer one is answered with status 413.
        max_message: Bytes that a message over a WebSocket may have; a longer one closes it with code 1009.
        read_timeout: Seconds in which a request's body has to arrive; later is answered with status 408.
        idle_timeout: Seconds in which a request's head has to arrive, the first or the next of a connection; later
            the connection is closed.
        half_close_timeout: Seconds in which something of an answer has to be sent when the client has ended its side of
            the connection, as one that waits for its answer may do, and one that goes does; then the handler is
            cancelled.
        shutdown_timeout: Seconds that handlers have to end when the server stops; then they are cancelled.
        access_log: Write a log line for each request when it has ended; it has no status when the client went before
            the answer began.
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
    """What a handler of `http.serve` gets.

    Attributes:
        method: The HTTP method.
        path: The path, percent-decoded.
        raw_path: The path as it came.
        body: The body's bytes.
        headers: Lower-case header name → value.
        query: The query string as it came.
        params: The parameters of the query, decoded.
    """

    method: str
    path: str
    raw_path: str
    body: bytes
    headers: dict[str, str]
    query: str
    params: dict[str, str]


@dataclass(kw_only=True)
class Reply:
    """What a handler returns.

    Attributes:
        status: The HTTP status.
        body: The body's bytes.
        json: A value to send as JSON instead of `body`.
        headers: Header name → value, or an array of values that are sent as several headers.
        sse: A function that gets `send` and sends server-sent events until it returns.
        ws: A function that gets the connection of a WebSocket, which is closed when it returns.
    """

    status: int = 200
    body: bytes = b""
    json: Json | None = None
    headers: dict[str, HeaderValue] | None = None
    sse: LuaFunction | None = None
    ws: LuaFunction | None = None
