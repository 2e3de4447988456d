"""Requests to the HTTP API and its answers."""

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
NOT_FOUND, DEADLINE_EXCEEDED = 5, 4  # gRPC's codes

_RAW_PAYLOADS = "application/json+no-payload-shorthand"  # in the shorthand large integers would come rounded
_HINT = "; if this is the server's gRPC port, give the address of its HTTP API, which has a port of its own"
_HTTP_NOT_FOUND, _HTTP_GATEWAY_TIMEOUT = 404, 504

Parameters = Mapping[str, str | int | None]


def segment(name: str, argument: str, kind: str = "argument") -> str:
    """Write the name that an argument (or an option) gave as one part of a path.

    Raises BuiltinError for a name that cannot be one.
    """
    if not name:
        raise BuiltinError(f"bad {kind} '{argument}' (expected a non-empty string)")
    if "/" in name:
        # The server splits the path after decoding it: it would answer for another name.
        raise BuiltinError(
            f"bad {kind} '{argument}' (the HTTP API cannot address '{name}', which has a slash; temporal.connect can)"
        )
    return {".": "%2E", "..": "%2E%2E"}.get(name) or quote(name, safe="")


def items(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Take a list out of an answer; the server leaves out an empty one."""
    found = answer.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise malformed(f"'{name}' is not a list of objects")
    return found


def page_token(answer: Mapping[str, Any]) -> str | None:
    """Take the token of the next page out of an answer; there is none after the last."""
    found = answer.get("nextPageToken")
    if found is not None and not isinstance(found, str):
        raise malformed("'nextPageToken' is not a string")
    return found or None


def table(answer: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Take an object out of an answer."""
    found = answer.get(name)
    if not isinstance(found, dict):
        raise malformed(f"'{name}' is not an object")
    return found


def malformed(problem: str) -> RestError:
    """The error for an answer that is not Temporal's."""
    return RestError(f"malformed answer: {problem}; is this Temporal's HTTP API?", kind="answer")


class Transport:
    """One server's API: where it is, who asks, how long a request may take."""

    def __init__(
        self, url: str, api_key: str | None, timeout: float, session: Callable[[], aiohttp.ClientSession] | None
    ) -> None:
        from assay.builtins.http import urls

        base = urls.parse(url)
        if base.raw_query_string or base.raw_fragment:
            raise BuiltinError(f"bad argument 'url' (a URL without '?' and '#' expected, got {url!r})")
        if not timeout > 0:
            raise BuiltinError(f"bad option 'timeout' (a number above 0 expected, got {timeout})")
        if api_key is not None and not (api_key and api_key.isascii() and api_key.isprintable()):
            raise BuiltinError("bad option 'api_key' (printable ASCII characters expected)")
        if api_key is not None and base.user is not None:
            raise BuiltinError("bad option 'api_key' (the URL has a user name already)")
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
        """Ask for something. Raises RestError."""
        return await self._call("GET", path, parameters or {}, headers or {}, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do something. Raises RestError."""
        import orjson

        return await self._call("POST", path, {}, {}, orjson.dumps(body))

    async def status(self, path: str) -> int:
        """Ask for something of which only the HTTP status matters. Raises RestError when there is no answer."""
        response, _, _ = await self._request("GET", path, {}, {}, None)
        return response.status

    async def close(self) -> None:
        """Close the connections, unless they are shared."""
        session, self._own = self._own, None
        if session is not None:
            await session.close()

    async def _call(
        self, method: str, path: str, parameters: Parameters, headers: Mapping[str, str], body: bytes | None
    ) -> dict[str, Any]:
        import orjson

        response, content, place = await self._request(method, path, parameters, headers, body)
        try:
            answer = orjson.loads(content)
        except ValueError:
            answer = None
        if response.status >= 400:
            raise _refusal(response, answer, place)
        if not isinstance(answer, dict):
            kind = response.headers.get("Content-Type") or "of no type"
            raise RestError(
                f"the answer of {place} is no JSON object (HTTP {response.status}, {kind}); "
                "is this Temporal's HTTP API?",
                kind="answer",
                status=response.status,
            )
        try:
            decoded = payloads.decode(answer)
        except RecursionError:
            raise malformed("it is nested too deeply") from None
        assert isinstance(decoded, dict)
        return decoded

    async def _request(
        self, method: str, path: str, parameters: Parameters, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[aiohttp.ClientResponse, bytes, str]:
        import aiohttp
        from yarl import URL

        from assay.builtins.http.errors import CLIENT_EXCEPTIONS, describe
        from assay.builtins.http.transport import Timeouts

        given = {name: value for name, value in parameters.items() if value is not None}
        query = f"?{urlencode(given, quote_via=quote)}" if given else ""
        url = URL(f"{self._base}{path}{query}", encoded=True)
        place = f"{url.host}:{url.port}"
        timeouts = Timeouts(None if math.isinf(self.timeout) else self.timeout, None, None)
        try:
            response, content = await self._exchange(method, url, {**self._headers, **headers}, body, timeouts)
        except CLIENT_EXCEPTIONS as error:
            kind, text = describe(url, timeouts, error)
            if isinstance(error, aiohttp.ClientResponseError) and kind == "protocol":
                text = f"{place} does not speak HTTP/1.1{_HINT}"
            elif any(isinstance(one, aiohttp.ClientConnectionResetError) for one in (error, error.__cause__)):
                text = f"{place} closed the connection before it could be asked{_HINT}"  # as the gRPC port may do too
            raise RestError(text, kind=kind) from error
        _check_redirects(response, path, place)
        return response, content, place

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
                    allow_redirects=method == "GET",  # another method would become a GET
                    max_redirects=MAX_REDIRECTS + 1,
                    auto_decompress=False,  # `ResponseBody` does it
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


def _check_redirects(response: aiohttp.ClientResponse, path: str, place: str) -> None:
    """Refuse an answer that is about something else."""
    target: str | URL | None = None
    if 300 <= response.status < 400:
        target = response.headers.get("Location", "nowhere")
    elif response.history and not response.url.raw_path.endswith(path):
        target = response.url
    if target is not None:
        raise RestError(f"{place} redirects to {target}", kind="redirect", status=response.status)


def _refusal(response: aiohttp.ClientResponse, answer: Any, place: str) -> RestError:
    code = answer.get("code") if isinstance(answer, dict) else None
    message = answer.get("message") if isinstance(answer, dict) else None
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
        text = f"{place} answers {response.status} {response.reason or ''}".rstrip()
    return RestError(text, kind=kind, status=response.status, code=code)
