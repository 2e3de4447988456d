"""The client of Temporal's HTTP API against peers that answer wrongly, slowly or not at all."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest

from assay import LuaError, RestError, Runtime
from assay.errors import BuiltinError
from assay.temporal.rest import Client, ClientOptions, payloads

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server that gives each request the next of its answers, and the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.url = ""
        self._open: set[asyncio.Task[None]] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        with suppress(asyncio.IncompleteReadError, asyncio.CancelledError):
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                await answer(writer)
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    @property
    def paths(self) -> list[str]:
        """Paths of the received requests."""
        return [head.split(b" ")[1].decode() for head in self.requests]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Peer]:
        """Listen on a free port."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            try:
                yield self
            finally:
                for task in self._open:
                    task.cancel()
                await asyncio.gather(*self._open)


def http(status: str, body: bytes | object = b"", **headers: str) -> bytes:
    """An answer; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    return "\r\n".join([*lines, "\r\n"]).encode() + content


async def hang(writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.get_running_loop().create_future()


async def hang_in_the_middle(writer: asyncio.StreamWriter) -> None:
    """Never end an answer."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{")
    await hang(writer)


async def lua(url: str, code: str, options: str = "{}") -> Any:
    """Run code that finds a client in `c`."""
    async with Runtime() as runtime:
        return await runtime.run(f"local c = require('assay.temporal').client(..., {options}) {code}", url)


async def failure(url: str, code: str, options: str = "{}") -> dict[str, Any]:
    """The fields of the error object that code raises."""
    with pytest.raises(LuaError) as caught:
        await lua(url, code, options)
    assert isinstance(caught.value.value, dict), caught.value
    assert caught.value.message == caught.value.value["message"]
    return caught.value.value


GET = "return c.workflows:get('w')"
LIST = "return c.workflows:list()"
SIGNAL = "return c.workflows:signal('w', 's')"
INFO = "return c:system_info()"
HTML = b"<html>hello</html>"
OK = "200 OK"


def described(workflow_id: str = "w", status: str = "RUNNING") -> bytes:
    execution = {"workflowId": workflow_id, "runId": "r"}
    info = {"execution": execution, "status": f"WORKFLOW_EXECUTION_STATUS_{status}"}
    return http(OK, {"workflowExecutionInfo": info})


MALFORMED = "malformed response: {}; is this Temporal's HTTP API?"


@pytest.mark.parametrize(
    ("code", "answer", "kind", "status", "text"),
    [
        (INFO, http(OK, HTML, Content_Type="text/html"), "answer", 200, "is not a JSON object (HTTP 200, text/html)"),
        (INFO, http(OK), "answer", 200, "is not a JSON object (HTTP 200, no content type)"),
        (INFO, http(OK, b"\xff"), "answer", 200, "is not a JSON object"),
        (INFO, http(OK, [1]), "answer", 200, "is not a JSON object"),
        (INFO, http(OK, b'{"a":' * 3000 + b"1" + b"}" * 3000), "answer", 200, "is not a JSON object"),
        (
            INFO,
            http(OK, b'{"a":' * 1000 + b"1" + b"}" * 1000),
            "answer",
            None,
            MALFORMED.format("it is nested too deeply"),
        ),
        (
            LIST,
            http(OK, {"executions": "many"}),
            "answer",
            None,
            MALFORMED.format("'executions' is not a list of objects"),
        ),
        (
            LIST,
            http(OK, {"executions": [1]}),
            "answer",
            None,
            MALFORMED.format("'executions' is not a list of objects"),
        ),
        (LIST, http(OK, {"nextPageToken": 1}), "answer", None, MALFORMED.format("'nextPageToken' is not a string")),
        (GET, http(OK, {}), "answer", None, MALFORMED.format("'workflowExecutionInfo' is not an object")),
        (GET, described("other"), "answer", None, MALFORMED.format("it describes the workflow 'other'")),
        ("c.workflows:history('w')", http(OK, {}), "answer", None, MALFORMED.format("'history' is not an object")),
        ("c:workflow('a/b')", http(OK, {}), "not_found", 404, "workflow not found for ID: a/b"),
        (INFO, http("302 Found", Location="/"), "redirect", None, "more than 10 redirects from 127.0.0.1:"),
        (INFO, http("302 Found", Location="ftp://x/"), "redirect", None, "redirects to a URL that is not HTTP"),
        (INFO, http("304 Not Modified"), "redirect", 304, "redirects to nowhere"),
        (
            SIGNAL,
            http("308 Permanent", Location="http://127.0.0.1/x"),
            "redirect",
            308,
            "redirects to http://127.0.0.1/x",
        ),
        (INFO, http("502 Bad Gateway", HTML), "rpc", 502, ": 127.0.0.1:PORT returned HTTP 502 Bad Gateway"),
        (INFO, http("404 Not Found", HTML), "not_found", 404, "returned HTTP 404 Not Found"),
        (INFO, http("504 Gateway Timeout"), "timeout", 504, "returned HTTP 504 Gateway Timeout"),
        (INFO, http("503 ", {"code": True, "message": ""}), "rpc", 503, "returned HTTP 503"),
        (INFO, http("401 Unauthorized", {"code": 16, "message": "who?"}), "rpc", 401, "c:system_info: who? (HTTP 401)"),
        (INFO, b"", "protocol", None, "closed the connection without a response"),
        (INFO, b"SSH-2.0-x\r\n", "protocol", None, "does not speak HTTP/1.1; if this is the server's gRPC port"),
        (INFO, http(OK, {})[:-1], "protocol", None, "the response from 127.0.0.1:PORT is incomplete"),
        (INFO, hang, "timeout", None, "no complete response from 127.0.0.1:PORT within 0.2 s"),
        (INFO, hang_in_the_middle, "timeout", None, "no complete response from 127.0.0.1:PORT within 0.2 s"),
    ],
)
async def test_wrong_answers(code: str, answer: Answer, kind: str, status: int | None, text: str) -> None:
    async with Peer(answer).listening() as peer:
        error = await failure(peer.url, code, "{}" if isinstance(answer, bytes) else "{ timeout = 0.2 }")
        assert text.replace("PORT", peer.url.rpartition(":")[2]) in error["message"]
        assert error["message"].startswith(("c:", "c.workflows:"))
        assert (error["kind"], error.get("status")) == (kind, status)


async def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        error = await failure(url, INFO)
        assert error["kind"] == "connect"
        assert error["message"] == f"c:system_info: cannot connect to 127.0.0.1:{port}: Connection refused"
        assert await lua(url, "return c:health()") is False


async def test_a_connection_that_is_closed_before_the_request_goes_out() -> None:
    class Closing:
        def request(self, *_arguments: Any, **_options: Any) -> Closing:
            return self

        async def __aenter__(self) -> None:
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")

        async def __aexit__(self, *_error: object) -> None:
            pass

    session: Any = Closing()
    with pytest.raises(RestError) as caught:
        await Client("http://127.0.0.1:7233", session=lambda: session).system_info()
    text = "127.0.0.1:7233 closed the connection before the request was sent; if this is the server's gRPC port, use "
    assert caught.value.message.startswith(text)
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize(
    ("answers", "healthy", "asked"),
    [
        ([http(OK, {"serverVersion": "1"})], True, 1),
        ([http("403 Forbidden", {"code": 7, "message": "no"})], True, 1),
        ([http("404 Not Found"), http(OK, b"fine")], True, 2),
        ([http("404 Not Found")], False, 2),
        ([http(OK, HTML), http("404 Not Found")], False, 2),
        ([http("401 Unauthorized"), b""], False, 2),
        ([http("500 Internal Server Error")], False, 1),
        ([http("503 Unavailable", {"code": 14, "message": "soon"})], False, 1),
        ([http("302 Found", Location="/")], False, 11),
        ([b"\0\0\6\4\0"], False, 1),
        ([hang], False, 1),
    ],
)
async def test_health(answers: list[Answer], healthy: bool, asked: int) -> None:
    async with Peer(*answers).listening() as peer:
        options = "{ timeout = 1 }" if hang in answers else "{}"
        assert await lua(peer.url, "return c:health()", options) is healthy
        assert len(peer.requests) == asked
        assert peer.paths[0] == "/api/v1/system-info"
        if asked in (2, 3):
            assert peer.paths[1] == "/health"


async def test_the_requests_that_are_sent() -> None:
    async with Peer(http(OK, {})).listening() as peer:
        options = "{ namespace = 'n s', api_key = 'secret' }"
        await lua(f"{peer.url}/behind/", "c.workflows:list({ query = 'a = \"ü&\"', next_page_token = '+/=' })", options)
        await lua(peer.url, "c.workflows:cancel('a+b%?#é')")
        await lua(peer.url, "c.workflows:signal('..', ':s')")
        first, *others = peer.requests
        assert peer.paths == [
            "/behind/api/v1/namespaces/n%20s/workflows?query=a%20%3D%20%22%C3%BC%26%22&nextPageToken=%2B%2F%3D",
            "/api/v1/namespaces/default/workflows/a%2Bb%25%3F%23%C3%A9/cancel",
            "/api/v1/namespaces/default/workflows/%2E%2E/signal/%3As",
        ]
        assert b"\r\nAuthorization: Bearer secret\r\n" in first
        assert all(b"\r\nContent-Type: application/json\r\n" in head for head in peer.requests)
        assert b"\r\nAccept: application/json+no-payload-shorthand\r\n" in first
        assert all(b"Authorization" not in head and head.startswith(b"POST ") for head in others)


async def test_a_redirect_to_the_same_path_is_followed_without_the_key() -> None:
    async with Peer(http(OK, {"serverVersion": "1"})).listening() as there:
        moved = http("301 Moved", Location=f"{there.url}/api/v1/system-info")
        away = http("301 Moved", Location=f"{there.url}/elsewhere")
        async with Peer(moved, away).listening() as here:
            assert await lua(here.url, INFO, "{ api_key = 'secret' }") == {"serverVersion": "1"}
            assert b"secret" in here.requests[0]
            assert b"secret" not in there.requests[0]
            error = await failure(here.url, INFO)
            assert (error["kind"], error["message"].endswith("/elsewhere")) == ("redirect", True)


async def test_waiting_is_patient_with_an_impatient_proxy_and_does_not_hammer() -> None:
    empty = http(OK, {"history": {}})
    busy = http("429 Too Many Requests", {"code": 8, "message": "namespace rate limit exceeded"})
    answers = (described(), http("504 Gateway Timeout"), described(), busy, described(status="PAUSED"), empty, busy)
    async with Peer(*answers, described(status="COMPLETED")).listening() as peer:
        started = time.monotonic()
        workflow = await lua(peer.url, "return c.workflows:wait_complete('w', math.huge)")
        assert workflow["workflowExecutionInfo"]["status"].endswith("COMPLETED")
        assert time.monotonic() - started >= 2
        history = "/api/v1/namespaces/default/workflows/w/history?execution.runId=r&waitNewEvent=true&"
        assert [path.startswith(history) for path in peer.paths] == [False, True] * 3 + [False] * 2
        assert b"\r\nGrpc-Timeout: 16000m\r\n" in peer.requests[1]


async def test_waiting_for_a_workflow_that_lists_do_not_show_yet() -> None:
    row = {"execution": {"workflowId": "a/b", "runId": "r"}, "status": "WORKFLOW_EXECUTION_STATUS_COMPLETED"}
    async with Peer(http(OK, {}), http(OK, {"executions": [row]})).listening() as peer:
        found = await lua(peer.url, "return c.workflows:wait_complete('a/b', 60)")
        assert found == {"workflowExecutionInfo": row}
    async with Peer(http(OK, {})).listening() as peer:
        error = await failure(peer.url, "c.workflows:wait_complete('a/b', 60)")
        assert (error["kind"], error["status"]) == ("not_found", 404)
        assert 1 < len(peer.requests) < 12  # each half second for three; a machine that stands still leaves some out


@pytest.mark.parametrize("answers", [(hang,), (described(), hang)])
async def test_waiting_ends_in_time_when_the_server_hangs(answers: tuple[Answer, ...]) -> None:
    async with Peer(*answers).listening() as peer:
        started = time.monotonic()
        error = await failure(peer.url, "c.workflows:wait_complete('w', 0.2)", "{ timeout = 600 }")
        assert time.monotonic() - started < 60
        assert error["kind"] == "timeout"
        assert error["message"].endswith("timed out after 0.2 s: workflow 'w' has not ended")


async def test_waiting_fails_when_the_server_does() -> None:
    for broken in (http("500 Internal Server Error"), b""):
        async with Peer(described(), broken).listening() as peer:
            with pytest.raises(LuaError, match="wait_complete: 127"):
                await lua(peer.url, "c.workflows:wait_complete('w', 60)")


async def test_bad_arguments_of_a_client_are_errors() -> None:
    for arguments, problem in {
        "": "bad argument 'url' (string expected, got nil)",
        "'localhost:7233'": "bad argument 'url' (an http:// or https:// URL expected, got 'localhost:7233')",
        "'http://'": "bad argument 'url' (an http:// or https:// URL expected",
        "'http://x?y'": "bad argument 'url' (URL without '?' and '#' expected, got 'http://x?y')",
        "'http://x', { timeout = 0 }": "bad option 'timeout' (positive number expected, got 0)",
        "'http://x', { timeout = 0/0 }": "bad option 'timeout' (positive number expected, got ",
        "'http://x', { api_key = 'a\\r\\nb' }": "bad option 'api_key' (printable ASCII characters expected)",
        "'http://x', { api_key = '' }": "bad option 'api_key' (printable ASCII characters expected)",
        "'http://u:p@x', { api_key = 'k' }": "bad option 'api_key' (the URL already contains a user name)",
        "'http://x', { namespac = 'n' }": "unknown option 'namespac' (did you mean 'namespace'?)",
    }.items():
        async with Runtime() as runtime:
            code = f"return select(2, pcall(function() return require('assay.temporal').client({arguments}) end))"
            assert f"assay.temporal.client: {problem}" in await runtime.run(code)


async def test_a_cancelled_call_leaves_nothing_behind() -> None:
    async with Peer(hang).listening() as peer, Runtime() as runtime:
        code = "local c = require('assay.temporal').client(...) c:system_info()"
        waiting = asyncio.ensure_future(runtime.run(code, peer.url))
        while not peer.requests:  # noqa: ASYNC110 the peer tells nobody
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


def payload(encoding: str, data: bytes | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"metadata": {"encoding": b64encode(encoding.encode()).decode()}}
    return found if data is None else found | {"data": b64encode(data).decode()}


def test_payloads() -> None:
    encrypted, broken = payload("binary/encrypted", b"x"), payload("json/plain", b"{")
    torn = {"metadata": {"encoding": "no base64!"}, "data": "x"}
    for raw, value in [
        (payload("json/plain", b'{"a": [1.0, 9007199254740993]}'), {"a": [1.0, 9007199254740993]}),
        (payload("json/protobuf", b'{"a": 1}'), {"a": 1}),
        (payload("binary/null"), None),
        (payload("binary/plain", b"\xff"), b"\xff"),
        (encrypted, encrypted),
        (broken, broken),
        (torn, torn),
        ({"payloads": [payload("json/plain", b"1"), encrypted]}, [1, encrypted]),
        ({"payloads": [], "more": 1}, {"payloads": [], "more": 1}),
        # Maps whose keys users choose.
        ({"fields": {"payloads": payload("json/plain", b"1")}}, {"fields": {"payloads": 1}}),
        ({"fields": {"metadata": payload("json/plain", b"1")}}, {"fields": {"metadata": 1}}),
    ]:
        assert repr(payloads.decode(raw)) == repr(value)


async def test_python_sees_the_same_errors() -> None:
    async with Peer(http("500 Internal Server Error")).listening() as peer, Client(peer.url) as client:
        with pytest.raises(RestError, match="returned HTTP 500 Internal Server Error") as caught:
            await client.system_info()
        assert (caught.value.status, caught.value.code, caught.value.kind) == (500, None, "rpc")
    with pytest.raises(BuiltinError, match="bad option 'timeout'"):
        Client("http://127.0.0.1:1", ClientOptions(timeout=-1))
