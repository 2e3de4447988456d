"""`http.serve`: listening, limits, malformed requests, the access log, shutdown."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from assay.errors import LuaError
from command import Command
from timeouts import TIMEOUT
from web_peers import Script, raw

# Listening ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("http.serve(70000, {})", "http.serve: bad argument 'port' (0 to 65535 expected, got 70000)"),
        (
            "http.serve(0, {}, { host = '192.0.2.1' })",
            "http.serve: cannot listen on 192.0.2.1:0: Cannot assign requested address",
        ),
        (
            "http.serve(0, { GET = { ['/x'] = 'y' } })",
            "http.serve: bad argument 'routes.GET./x' (function or table expected, got string)",
        ),
        (
            "http.serve(0, {}, { on_listen = function() error('no') end })",
            "http.serve: on_listen: test.lua:1: no",
        ),
        (
            "http.serve(0, {}, { idle_timeout = 0 })",
            "http.serve: bad option 'idle_timeout' (a number above 0 expected, got 0)",
        ),
        (
            "http.serve(0, {}, { read_timeout = 0 })",
            "http.serve: bad option 'read_timeout' (a number above 0 expected, got 0)",
        ),
    ],
    ids=["port", "host", "route", "on_listen", "idle_timeout", "read_timeout"],
)
async def test_a_server_that_cannot_start(script: Script, call: str, message: str) -> None:
    with pytest.raises(LuaError) as caught:
        await script.run(call)
    assert caught.value.message == f"test.lua:1: {message}"


async def test_a_port_in_use_is_an_error(script: Script) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LuaError) as caught:
            await script.run(f"http.serve({port}, {{}})")
    assert caught.value.message == f"test.lua:1: http.serve: port {port} on 127.0.0.1 is in use"


async def test_the_port_is_a_global(script: Script) -> None:
    async with script.serving("{ GET = { ['/x'] = function() return { body = tostring(_SERVER_PORT) } end } }") as url:
        answer = await raw(url, b"GET /x HTTP/1.0\r\n\r\n")
        assert answer.endswith(b"\r\n\r\n" + url.rpartition(":")[2].encode())


async def test_a_cancelled_server_waits_for_its_handlers_and_closes_its_port(script: Script) -> None:
    routes = """{ GET = {
      ["/slow"] = function() print("in") while not go do sleep(0.01) end return { body = "done" } end,
      ["/stream"] = function() return { sse = function(send) send{ data = "x" } sleep(1000) end } end,
    } }"""
    async with script.serving(routes) as url:
        port = int(url.rpartition(":")[2])
        streamed = asyncio.ensure_future(raw(url, b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"))
        answered = asyncio.ensure_future(raw(url, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"))
        assert await script.line() == "in"
        asyncio.get_running_loop().call_later(0.1, lambda: script.host.state.invoke(b"set_global", b"go", True))
    assert (await answered).endswith(b"done")
    await streamed
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


# Limits ---------------------------------------------------------------------------------------------------------


SIMPLE = '{ GET = { ["/x"] = function() return { body = "ok" } end }, POST = { ["/x"] = function() return {} end } }'


GET = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"


SIZE = '{ POST = { ["/x"] = function(req) return { body = tostring(#req.body) } end } }'


async def test_a_body_as_long_as_max_body_is_received(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(SIZE, "max_body = 1000") as url, web.post(f"{url}/x", data=b"x" * 1000) as response:
        assert (response.status, await response.text()) == (200, "1000")


async def test_a_body_longer_than_max_body_is_refused(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(SIZE, "max_body = 1000") as url, web.post(f"{url}/x", data=b"x" * 1001) as response:
        assert (response.status, await response.text()) == (413, "the body is longer than 1000 bytes")


async def test_a_long_body_is_refused_before_it_is_sent(script: Script) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n"
    async with script.serving(SIZE, "max_body = 1000") as url:
        assert (await raw(url, head)).startswith(b"HTTP/1.1 413 ")


async def test_a_long_chunked_body_is_refused(script: Script) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100\r\n" + b"x" * 256 + b"\r\n"
    async with script.serving(SIZE, "max_body = 1000") as url:
        assert (await raw(url, head + chunk * 4 + b"0\r\n\r\n")).startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_expects_100_continue_is_asked_for(script: Script) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    async with script.serving(SIZE) as url:
        answer = await raw(url, head + b"ab")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("sent", [b"", b"GET /x HTTP/1.1\r\nHost:"], ids=["nothing", "half a head"])
async def test_a_connection_without_a_request_is_closed_after_idle_timeout(script: Script, sent: bytes) -> None:
    async with script.serving(SIMPLE, "idle_timeout = 0.3") as url:
        assert await raw(url, sent) == b""


async def test_a_kept_connection_is_closed_after_idle_timeout(script: Script) -> None:
    async with script.serving(SIMPLE, "idle_timeout = 0.3") as url:
        answer = await raw(url, GET.format("/x").encode() + b"GET /x")
    assert answer.count(b"HTTP/1.1 200") == 1


async def test_idle_timeout_covers_the_whole_head(script: Script) -> None:
    async with script.serving(SIMPLE, "idle_timeout = 0.5") as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        ended = asyncio.ensure_future(reader.read())
        writer.write(b"GET /x HTTP/1.1\r\n")
        async with asyncio.timeout(TIMEOUT):
            while not ended.done():
                writer.write(b"X-A: b\r\n")
                await asyncio.sleep(0.05)
        writer.close()
        assert ended.exception() is not None or ended.result() == b""


async def test_a_body_that_does_not_arrive_is_answered_with_408(script: Script) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"
    async with script.serving(SIMPLE, "read_timeout = 0.2") as url:
        answer = await raw(url, head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer


async def test_two_thousand_kept_connections(script: Script) -> None:
    count = 2000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * count + 200:
        pytest.skip(f"this machine allows a process {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))  # the server raises it
    try:
        async with script.serving(SIMPLE) as url:
            port = int(url.rpartition(":")[2])
            opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

            async def ask_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
                writer.write(GET.format("/x").encode())
                head = await reader.readuntil(b"\r\n\r\n")
                return head.startswith(b"HTTP/1.1 200") and await reader.readexactly(2) == b"ok"

            async with asyncio.timeout(TIMEOUT):
                for _ in range(0, count, 200):
                    opened += await asyncio.gather(*[asyncio.open_connection("127.0.0.1", port) for _ in range(200)])
                for _ in range(2):
                    assert await asyncio.gather(*[ask_over(*ends) for ends in opened]) == [True] * count
            for _, writer in opened:
                writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Malformed requests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["no HTTP", "long header", "two lengths"],
)
async def test_the_answer_to_a_malformed_request_says_nothing_about_the_server(
    script: Script, request_bytes: bytes
) -> None:
    async with script.serving(SIMPLE) as url:
        answer = await raw(url, request_bytes)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head
    assert b"Server: assay" in head
    assert b"Connection: close" in head or head.startswith(b"HTTP/1.0")
    assert body == b"bad request"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03",
        b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_a_malformed_request_is_answered_with_400_and_not_logged(
    script: Script, caplog: pytest.LogCaptureFixture, request_bytes: bytes
) -> None:
    async with script.serving(SIMPLE) as url:
        assert (await raw(url, request_bytes)).split()[1] == b"400"
        assert (await raw(url, b"GET /x HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 200 ")
    assert not caplog.records


# The access log -------------------------------------------------------------------------------------------------


async def test_a_request_is_a_line_of_the_access_log(
    script: Script, web: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_LOG", "json")
    routes = '{ GET = { ["/x"] = function() return { status = 201, body = "1234" } end } }'
    async with script.serving(routes, "access_log = true") as url, web.get(f"{url}/x?y=1"):
        pass
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"]) == ("info", "http.serve: GET /x?y=1")
    assert line["fields"].pop("seconds") < TIMEOUT
    assert line["fields"].pop("bytes") > 4
    assert line["fields"] == {"client": "127.0.0.1", "status": 201}


@pytest.mark.parametrize(
    ("path", "status"), [("/slow", None), ("/stream", 200), ("/socket", 101)], ids=["handler", "stream", "socket"]
)
async def test_a_request_whose_client_disconnects_is_a_line_of_the_access_log(
    script: Script, capsys: pytest.CaptureFixture[str], path: str, status: int | None
) -> None:
    routes = """{ GET = {
      ["/slow"] = function() print("in"); sleep(1000) end,
      ["/stream"] = function() return { sse = function() print("in"); sleep(1000) end } end,
      ["/socket"] = function() return { ws = function(conn) print("in"); conn:recv() end } end,
    } }"""
    upgrade = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    async with script.serving(routes, "access_log = true") as url:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{upgrade if status == 101 else ''}\r\n".encode())
        assert await script.line() == "in"
        writer.close()
        await writer.wait_closed()
        lines = ""
        async with asyncio.timeout(TIMEOUT):
            while "\n" not in lines:
                await asyncio.sleep(0.005)
                lines += capsys.readouterr().err
    assert f"http.serve: GET {path} bytes=" in lines
    assert (f" status={status}\n" in lines) if status else (" status=" not in lines)


# The command ----------------------------------------------------------------------------------------------------


def test_the_script_of_the_server_passes(assay: Command) -> None:
    assay.folder = Path(__file__).parent.parent / "batteries" / "lua"
    result = assay.run("http_server.lua")
    assert (result.stderr, result.returncode) == ("", 0)


def test_the_import_needs_no_aiohttp() -> None:
    code = "import sys, assay.builtins.http; print('aiohttp' in sys.modules, 'asyncio' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False False\n"
