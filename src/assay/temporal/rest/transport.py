"""HTTP requests, and the validation of their responses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from assay.errors import BuiltinError, RestError
from assay.temporal.rest import payloads

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

    from assay.builtins.http.transport import Timeouts

API = "/api/v1"
NOT_FOUND, DEADLINE_EXCEEDED = 5, 4  # gRPC status codes

_RAW_PAYLOADS = "application/json+no-payload-shorthand"  # the shorthand form rounds large integers
_HINT = "; if this is the server's gRPC port, use the port of its HTTP API instead"
_HTTP_NOT_FOUND, _HTTP_GATEWAY_TIMEOUT = 404, 504

Parameters = Mapping[str, str | int | None]


def segment(name: str, argument: str, kind: str = "argument") -> str:
    """Encode the value of an argument or option as one segment of a path.

    Raises BuiltinError for a value that a path cannot contain.
    """
    if not name:
        raise BuiltinError(f"bad {kind} '{argument}' (expected a non-empty string)")
    if "/" in name:
        # The server decodes the path before splitting it, so it would address something else.
        raise BuiltinError(
            f"bad {kind} '{argument}' (the HTTP API cannot address '{name}', which has a slash; temporal.connect can)"
        )
    return {".": "%2E", "..": "%2E%2E"}.get(name) or quote(name, safe="")


def items(response: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a list of a response; the server omits an empty one."""
    value = response.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise malformed(f"'{name}' is not a list of objects")
    return value


def page_token(response: Mapping[str, Any]) -> str | None:
    """Return the token of the next page; None on the last page."""
    token = response.get("nextPageToken")
    if token is not None and not isinstance(token, str):
        raise malformed("'nextPageToken' is not a string")
    return token or None


def table(response: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object of a response."""
    value = response.get(name)
    if not isinstance(value, dict):
        raise malformed(f"'{name}' is not an object")
    return value


def malformed(problem: str) -> RestError:
    """Return the error for a response that Temporal would not send."""
    return RestError(f"malformed response: {problem}; is this Temporal's HTTP API?", kind="answer")


class Transport:
    """The HTTP API of one server: its URL, credentials, timeout and session."""

    def __init__(
        self, url: str, api_key: str | None, timeout: float, session: Callable[[], aiohttp.ClientSession] | None
    ) -> None:
        from assay.builtins.http import urls

        base = urls.parse(url)
        if base.raw_query_string or base.raw_fragment:
            raise BuiltinError(f"bad argument 'url' (URL without '?' and '#' expected, got {url!r})")
        if not timeout > 0:
            raise BuiltinError(f"bad option 'timeout' (positive number expected, got {timeout})")
        if api_key is not None and not (api_key and api_key.isascii() and api_key.isprintable()):
            raise BuiltinError("bad option 'api_key' (printable ASCII characters expected)")
        if api_key is not None and base.user is not None:
            raise BuiltinError("bad option 'api_key' (the URL already contains a user name)")
        self._base = str(base).rstrip("/")
        self.timeout = timeout
        self._headers = {"Accept": _RAW_PAYLOADS, "Content-Type": "application/json"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._shared = session
        self._own: aiohttp.ClientSession | None = None

    async def get(
        self, path: str, parameters: Parameters | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send a GET request and return the response. Raises RestError."""
        return await self._call("GET", path, parameters or {}, headers or {}, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a POST request and return the response. Raises RestError."""
        import orjson

        return await self._call("POST", path, {}, {}, orjson.dumps(body))

    async def status(self, path: str) -> int:
        """Send a GET request and return only the HTTP status. Raises RestError when there is no response."""
        response, _, _ = await self._request("GET", path, {}, {}, None)
        return response.status

    async def close(self) -> None:
        """Close the client's own session, if any."""
        session, self._own = self._own, None
        if session is not None:
            await session.close()

    async def _call(
        self, method: str, path: str, parameters: Parameters, headers: Mapping[str, str], body: bytes | None
    ) -> dict[str, Any]:
        import orjson

        response, content, address = await self._request(method, path, parameters, headers, body)
        try:
            decoded = orjson.loads(content)
        except ValueError:
            decoded = None
        if response.status >= 400:
            raise _refusal(response, decoded, address)
        if not isinstance(decoded, dict):
            content_type = response.headers.get("Content-Type") or "no content type"
            raise RestError(
                f"the response of {address} is not a JSON object (HTTP {response.status}, {content_type}); "
                "is this Temporal's HTTP API?",
                kind="answer",
                status=response.status,
            )
        try:
            result = payloads.decode(decoded)
        except RecursionError:
            raise malformed("it is nested too deeply") from None
        assert isinstance(result, dict)
        return result

    async def _request(
        self, method: str, path: str, parameters: Parameters, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[aiohttp.ClientResponse, bytes, str]:
        import aiohttp
        from yarl import URL

        from assay.builtins.http.errors import CLIENT_EXCEPTIONS, describe
        from assay.builtins.http.transport import Timeouts

        present = {name: value for name, value in parameters.items() if value is not None}
        query = f"?{urlencode(present, quote_via=quote)}" if present else ""
        url = URL(f"{self._base}{path}{query}", encoded=True)
        address = f"{url.host}:{url.port}"
        timeouts = Timeouts(None if math.isinf(self.timeout) else self.timeout, None, None)
        try:
            response, content = await self._exchange(method, url, {**self._headers, **headers}, body, timeouts)
        except CLIENT_EXCEPTIONS as error:
            kind, text = describe(url, timeouts, error)
            if isinstance(error, aiohttp.ClientResponseError) and kind == "protocol":
                text = f"{address} does not speak HTTP/1.1{_HINT}"
            elif any(isinstance(one, aiohttp.ClientConnectionResetError) for one in (error, error.__cause__)):
                # The gRPC port may do this too.
                text = f"{address} closed the connection before the request was sent{_HINT}"
            raise RestError(text, kind=kind) from error
        _check_redirects(response, path, address)
        return response, content, address

    async def _exchange(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, timeouts: Timeouts
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        from assay.builtins.http.connection import LostConnectionError, is_retryable
        from assay.builtins.http.redirects import MAX_REDIRECTS
        from assay.builtins.http.response_body import MAX_BODY, ResponseBody

        while True:
            try:
                async with self._session().request(
                    method,
                    url,
                    headers=headers,
                    data=body,
                    timeout=timeouts.for_aiohttp(),
                    allow_redirects=method == "GET",  # aiohttp would turn another method into GET
                    max_redirects=MAX_REDIRECTS + 1,
                    auto_decompress=False,  # `ResponseBody` decompresses
                ) as response:
                    return response, await ResponseBody(response, MAX_BODY).read()
            except LostConnectionError as error:
                if not is_retryable(error):
                    raise

    def _session(self) -> aiohttp.ClientSession:
        if self._shared is not None:
            return self._shared()
        if self._own is None:
            from assay.builtins.http import client

            self._own = client.new_session()
        return self._own


def _check_redirects(response: aiohttp.ClientResponse, path: str, address: str) -> None:
    """Raise RestError for a redirect to another resource."""
    target: str | URL | None = None
    if 300 <= response.status < 400:
        target = response.headers.get("Location", "nowhere")
    elif response.history and not response.url.raw_path.endswith(path):
        target = response.url
    if target is not None:
        raise RestError(f"{address} redirects to {target}", kind="redirect", status=response.status)


def _refusal(response: aiohttp.ClientResponse, body: Any, address: str) -> RestError:
    code = body.get("code") if isinstance(body, dict) else None
    message = body.get("message") if isinstance(body, dict) else None
    if not isinstance(code, int) or isinstance(code, bool):
        code = None
    kind = "rpc"
    if code == NOT_FOUND or (code is None and response.status == _HTTP_NOT_FOUND):
        kind = "not_found"
    elif code == DEADLINE_EXCEEDED or (code is None and response.status == _HTTP_GATEWAY_TIMEOUT):
        kind = "timeout"
    if isinstance(message, str) and message:
        text = f"{message} (HTTP {response.status})"
    else:
        text = f"{address} returned HTTP {response.status} {response.reason or ''}".rstrip()
    return RestError(text, kind=kind, status=response.status, code=code)
