"""The option tables of `http`, and the response that its client returns."""

from __future__ import annotations

from dataclasses import dataclass

from assay.lua.function import LuaFunction
from assay.lua.values import Json

Scalar = str | float | bool
HeaderValue = str | float | list[str]
"""What a header may be given as; an array is sent as several headers of that name."""


@dataclass(kw_only=True)
class ClientOptions:
    """How to send requests.

    Attributes:
        headers: Header name → value, or an array of values; each replaces the one that would be sent otherwise.
        query: Parameter name → value, or an array of values; added to the query of the URL.
        timeout: Seconds for the whole request, the response's body included; 30 when left out, `math.huge` for ever.
        follow_redirects: Follow up to ten redirects (true when left out).
        verify: Check the server's TLS certificate (true when left out).
        ca_cert: Certificates to trust beside the system's, as PEM text or as "@" and the path of a PEM file.
    """

    headers: dict[str, HeaderValue] | None = None
    query: dict[str, Scalar | list[Scalar]] | None = None
    timeout: float | None = None
    follow_redirects: bool | None = None
    verify: bool | None = None
    ca_cert: str | None = None


@dataclass(kw_only=True)
class RequestOptions(ClientOptions):
    """How to send one request.

    Attributes:
        headers: Header name → value, or an array of values; each replaces the one that would be sent otherwise.
        query: Parameter name → value, or an array of values; added to the query of the URL.
        timeout: Seconds for the whole request, the response's body included; 30 when left out, `math.huge` for ever.
        follow_redirects: Follow up to ten redirects (true when left out).
        verify: Check the server's TLS certificate (true when left out).
        ca_cert: Certificates to trust beside the system's, as PEM text or as "@" and the path of a PEM file.
        body: A string to send as it is, or a table to send as JSON.
        json: A value to send as JSON.
        form: Field name → value, or an array of values, to send as an HTML form does.
    """

    body: bytes | Json | None = None
    json: Json | None = None
    form: dict[str, Scalar | list[Scalar]] | None = None


@dataclass
class Response:
    """What a server answered.

    Attributes:
        status: The HTTP status; one that tells of an error is no Lua error.
        body: The body's bytes, decompressed.
        headers: Lower-case header name → value. Several headers of a name are joined by ", ", but several
            `set-cookie` headers are an array.
    """

    status: int
    body: bytes
    headers: dict[str, str | bytes | list[str | bytes]]


@dataclass(kw_only=True)
class ServeOptions:
    """How to serve.

    Attributes:
        host: The address to listen on; "0.0.0.0" for all.
        on_listen: Called with the port when the server listens.
        max_body: Bytes that a request's body may have; a longer one is answered with status 413.
        access_log: Write a line to stderr for each request.
    """

    host: str = "127.0.0.1"
    on_listen: LuaFunction | None = None
    max_body: int = 10 * 1024 * 1024
    access_log: bool = False
