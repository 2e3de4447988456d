"""Server for Temporal's remote codec protocol, with which the Web UI and the `temporal` CLI decode payloads."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from assay.errors import BuiltinError
from assay.temporal.data.codec import Codec

_MAX_BODY = 64 * 1024 * 1024
_MAX_AGE = "600"  # seconds for which browsers cache the response to a preflight request
_METHODS = "POST, OPTIONS"
_HEADERS = "Authorization, Content-Type, X-Namespace"
_SCHEME = "Bearer "


def application(codec: Codec, *, origins: Collection[str] = (), token: str | None = None) -> web.Application:
    """Create the application of the server.

    It serves `POST …/encode` and `POST …/decode` under any path prefix.

    Args:
        codec: The codec.
        origins: Allowed origins of web pages, as `https://host:port`. Requests without an origin, which do not come
            from web pages, are always allowed.
        token: Bearer token that requests must send in `Authorization`; None for no authentication.
    """
    app = web.Application(
        client_max_size=_MAX_BODY, middlewares=[_cross_origin(frozenset(origins)), _authorized(token)]
    )
    app.router.add_post("/{prefix:.*}encode", _endpoint(codec.seal))
    app.router.add_post("/{prefix:.*}decode", _endpoint(codec.open))
    return app


def _endpoint(convert: Callable[[Payload], Payload]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            given = json_format.Parse(body, Payloads(), ignore_unknown_fields=True)
            converted = Payloads(payloads=map(convert, given.payloads))
        except (json_format.ParseError, UnicodeDecodeError) as error:
            return web.Response(status=400, text=f"the body must be JSON with an array 'payloads': {error}")
        except BuiltinError as error:
            return web.Response(status=400, text=str(error))
        text = json_format.MessageToJson(converted, indent=None)
        return web.Response(text=text, content_type="application/json")

    return handle


def _cross_origin(origins: Collection[str]) -> Middleware:
    """Add CORS headers for the allowed origins, and reject requests from other origins.

    The rejection protects against DNS rebinding, in which no preflight request is made.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and origin not in origins:
            return web.Response(status=403, text=f"the origin {origin} is not allowed")
        response: web.StreamResponse
        if request.method == "OPTIONS":
            response = web.Response(status=204)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = web.Response(status=error.status, text=error.reason)
        if origin is not None:
            response.headers.update(
                {
                    "Access-Control-Allow-Origin": origin,
                    "Access-Control-Allow-Credentials": "true",
                    "Access-Control-Allow-Methods": _METHODS,
                    "Access-Control-Allow-Headers": _HEADERS,
                    "Access-Control-Allow-Private-Network": "true",
                    "Access-Control-Max-Age": _MAX_AGE,
                    "Vary": "Origin",
                }
            )
        return response

    return middleware


def _authorized(token: str | None) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if token is not None and not hmac.compare_digest(given.encode(), f"{_SCHEME}{token}".encode()):
            return web.Response(status=401, text="a bearer token is required", headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    return middleware
