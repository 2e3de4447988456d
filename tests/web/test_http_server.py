"""`http.serve`: shutdown, time limits, many connections, files, WebSockets."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from command import TIMEOUT, Command, read_until
from web_peers import PATIENCE, Script, break_off, connected, raw

GET = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"

SERVER = """
http.serve(0, { GET = {
  ["/slow"] = function() print("in") sleep(1000) return { body = "done" } end,
  ["/stuck"] = function() print("in") sleep(1000) end,
  ["/stream"] = function() return { sse = function(send) send({ data = "x" }) print("in") sleep(1000) end } end,
  ["/ws"] = function() return { ws = function(conn) print("in") print(conn:recv()) end } end,
} }, { on_listen = function(port) print(port) end, shutdown_timeout = OPTION })
print("after")
"""


async def ask(port: int, path: str) -> str:
    return (await raw(f"http://x:{port}", GET.format(path).encode())).partition(b"\r\n\r\n")[2].decode()


class Serving:
    """The command with a server in it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.port = int(self.line())

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def end(self) -> tuple[int, str, str]:
        code = self.process.wait(TIMEOUT)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        return code, self.process.stdout.read(), self.process.stderr.read()


class TestSignals:
    @pytest.fixture(autouse=True)
    def _unbuffered(self, assay: Command) -> None:
        assay.environment["PYTHONUNBUFFERED"] = "1"

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_a_signal_lets_handlers_end(self, assay: Command, number: signal.Signals) -> None:
        with assay.started("run", assay.script(SERVER.replace("OPTION", "60"))) as process:
            serving = Serving(process)
            kept = aiohttp.ClientSession()
            await (await kept.get(f"http://127.0.0.1:{serving.port}/nothing")).read()
            answer = asyncio.ensure_future(ask(serving.port, "/slow"))
            streamed = asyncio.ensure_future(ask(serving.port, "/stream"))
            socket = await kept.ws_connect(f"http://127.0.0.1:{serving.port}/ws")
            for _ in range(3):
                assert await asyncio.to_thread(serving.line) == "in"
            process.send_signal(number)
            message = await asyncio.wait_for(socket.receive(), PATIENCE)
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
            assert "data: x" in await streamed
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", serving.port)
            assert not answer.done()
            answer.cancel()  # a client that goes cancels its handler
            await kept.close()
            code, output, problem = await asyncio.to_thread(serving.end)
            assert (code, problem) == (0, "")
            assert output.endswith("after\n")

    async def test_an_answer_under_way_is_sent(self, assay: Command) -> None:
        script = SERVER.replace("OPTION", "60").replace("sleep(1000) return", "sleep(1) return")
        with assay.started("run", assay.script(script)) as process:
            serving = Serving(process)
            answer = asyncio.ensure_future(ask(serving.port, "/slow"))
            assert await asyncio.to_thread(serving.line) == "in"
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(answer, PATIENCE) == "done"
            assert await asyncio.to_thread(serving.end) == (0, "after\n", "")

    async def test_a_handler_that_does_not_end_is_cancelled(self, assay: Command) -> None:
        with assay.started("run", assay.script(SERVER.replace("OPTION", "0.2"))) as process:
            serving = Serving(process)
            answer = asyncio.ensure_future(ask(serving.port, "/stuck"))
            assert await asyncio.to_thread(serving.line) == "in"
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(serving.end) == (0, "after\n", "")
            await answer

    async def test_a_second_signal_ends_it_at_once(self, assay: Command) -> None:
        with assay.started("run", assay.script(SERVER.replace("OPTION", "600"))) as process:
            serving = Serving(process)
            answer = asyncio.ensure_future(ask(serving.port, "/stuck"))
            assert await asyncio.to_thread(serving.line) == "in"
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):  # two signals at the same moment could count as one
                with suppress(ConnectionRefusedError):
                    while True:
                        _, writer = await asyncio.open_connection("127.0.0.1", serving.port)
                        writer.close()
                        await asyncio.sleep(0.02)
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, TIMEOUT) == 128 + signal.SIGTERM
            await asyncio.wait([answer])

    def test_a_spawned_server_does_not_keep_the_script(self, assay: Command) -> None:
        code = "async.spawn(http.serve, 0, {}) while not _SERVER_PORT do sleep(0) end print('end')"
        result = assay.run("exec", "-e", code)
        assert (result.stdout, result.stderr, result.returncode) == ("end\n", "", 0)

    def test_a_spawned_server_ends_in_order_too(self, assay: Command) -> None:
        code = "async.spawn(http.serve, 0, {}) while not _SERVER_PORT do sleep(0) end print('up') sleep(600)"
        with assay.started("exec", "-e", code) as process:
            read_until(process, "up")
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT) == 0


# Slow and many clients ------------------------------------------------------------------------------------------

SIMPLE = '{ GET = { ["/x"] = function() return { body = "ok" } end }, POST = { ["/x"] = function() return {} end } }'


async def test_a_head_that_does_not_arrive(script: Script) -> None:
    async with script.serving(SIMPLE, "idle_timeout = 0.3") as url:
        assert await raw(url, b"") == b""
        assert await raw(url, b"GET /x HTTP/1.1\r\nHost:") == b""
        answer = await raw(url, GET.format("/x").encode() + b"GET /x")
        assert answer.count(b"HTTP/1.1 200") == 1


async def test_a_head_that_trickles_in(script: Script) -> None:
    async with script.serving(SIMPLE, "idle_timeout = 0.5") as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        ended = asyncio.ensure_future(reader.read())
        writer.write(b"GET /x HTTP/1.1\r\n")
        async with asyncio.timeout(PATIENCE):
            while not ended.done():
                writer.write(b"X-A: b\r\n")
                await asyncio.sleep(0.05)
        writer.close()
        assert ended.exception() is not None or ended.result() == b""


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["no HTTP", "long header", "two lengths"],
)
async def test_what_is_no_http_is_told_nothing_of_the_insides(script: Script, request_bytes: bytes) -> None:
    async with script.serving(SIMPLE) as url:
        answer = await raw(url, request_bytes)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head
    assert b"Server: assay" in head
    assert b"Connection: close" in head or head.startswith(b"HTTP/1.0")
    assert body == b"bad request"


async def test_a_body_that_does_not_arrive(script: Script) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"
    async with script.serving(SIMPLE, "read_timeout = 0.2") as url:
        answer = await raw(url, head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer


@pytest.mark.parametrize("option", ["idle_timeout", "read_timeout"])
async def test_bad_time_limits(script: Script, option: str) -> None:
    found = await script.run(f"return select(2, pcall(http.serve, 0, {{}}, {{ {option} = 0 }}))")
    assert found == f"http.serve: bad option '{option}' (a number above 0 expected, got 0)"


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

            async with asyncio.timeout(PATIENCE):
                for _ in range(0, count, 200):
                    opened += await asyncio.gather(*[asyncio.open_connection("127.0.0.1", port) for _ in range(200)])
                for _ in range(2):
                    assert await asyncio.gather(*[ask_over(*ends) for ends in opened]) == [True] * count
            for _, writer in opened:
                writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Files ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with files, beside a secret."""
    root = tmp_path / "site"
    (root / "deep" / ".well-known").mkdir(parents=True)
    (root / ".well-known").mkdir()
    (root / "index.html").write_text("<p>home")
    (root / "deep" / "index.html").write_text("<p>deep")
    (root / "a b.txt").write_text("0123456789")
    (root / "data.json").write_text("{}")
    (root / "strange.xyzzy").write_bytes(b"\0\xff")
    (root / ".env").write_text("SECRET")
    (root / ".well-known" / "ok").write_text("known")
    (tmp_path / "secret.txt").write_text("SECRET")
    (tmp_path / "site-two").mkdir()
    (tmp_path / "site-two" / "x.txt").write_text("SECRET")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "out").symlink_to(tmp_path)
    (root / "inner.txt").symlink_to("data.json")
    os.mkfifo(root / "pipe")
    return root


def routes(site: Path) -> str:
    return f"""{{ GET = {{
      ["/s/*"] = {{ static = "{site}", headers = {{ ["Cache-Control"] = "max-age=5" }} }},
      ["/bare/*"] = {{ static = "{site}", index = "" }},
      ["/one"] = {{ static = "{site}/data.json" }},
    }} }}"""


async def test_when_a_connection_is_kept(script: Script) -> None:
    routes = """{ GET = {
      ["/"] = function() return { body = "x" } end,
      ["/last"] = function() return { body = "x", headers = { Connection = "close" } } end,
    } }"""
    async with script.serving(routes) as url:
        # `raw` reads up to the end of the connection.
        for request, answer, told in (
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1", [b"Connection: close"]),
            ("GET /last HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1", [b"Connection: close"]),
            ("GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0", []),
            (
                "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
                b"HTTP/1.0",
                [b"Connection: keep-alive"],
            ),
        ):
            received = await raw(url, request.encode())
            assert received.startswith(answer + b" 200 OK\r\n")
            assert [line for line in received.split(b"\r\n") if line.startswith(b"Connection")] == told


async def test_files(script: Script, web: aiohttp.ClientSession, site: Path) -> None:
    async with script.serving(routes(site)) as url:

        async def get(path: str, **headers: str) -> tuple[int, bytes, str | None]:
            async with web.get(url + path, headers={k.replace("_", "-"): v for k, v in headers.items()}) as response:
                return response.status, await response.read(), response.headers.get("Content-Type")

        assert await get("/s/") == (200, b"<p>home", "text/html")
        assert await get("/s/deep") == (200, b"<p>deep", "text/html")
        assert await get("/s/deep/") == (200, b"<p>deep", "text/html")
        assert await get("/s/a%20b.txt") == (200, b"0123456789", "text/plain")
        assert (await get("/s/data.json"))[2] == "application/json"
        assert await get("/s/strange.xyzzy") == (200, b"\0\xff", "application/octet-stream")
        assert (await get("/s/inner.txt"))[1] == b"{}"
        assert (await get("/s/.well-known/ok"))[1] == b"known"
        assert (await get("/one"))[1] == b"{}"
        assert (await get("/bare/"))[0] == 404
        assert (await get("/s/a%20b.txt", Range="bytes=2-4"))[:2] == (206, b"234")
        assert (await get("/s/a%20b.txt", Range="bytes=-3"))[:2] == (206, b"789")
        assert (await get("/s/a%20b.txt", Range="bytes=20-"))[0] == 416
        async with web.head(f"{url}/s/a%20b.txt") as response:
            assert (response.status, response.headers["Content-Length"]) == (200, "10")
            assert (response.headers["Cache-Control"], response.headers["Server"]) == ("max-age=5", "assay")
            etag = response.headers["ETag"]
        assert (await get("/s/a%20b.txt", If_None_Match=etag))[:2] == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/s/../secret.txt",
        "/s/%2e%2e/secret.txt",
        "/s/..%2fsecret.txt",
        "/s/%2e%2e%2fsite-two/x.txt",
        "/s/deep/../../secret.txt",
        "/s//etc/passwd",
        "/s/%2fetc%2fpasswd",
        "/s/link.txt",
        "/s/out/secret.txt",
        "/s/.env",
        "/s/deep/%2e%2e/.env",
        "/s/data.json%00.txt",
        "/s/data.json/",
        "/s/pipe",
        "/s/missing",
        "/s/%ff",
    ],
)
async def test_what_is_not_shown(script: Script, site: Path, path: str) -> None:
    async with script.serving(routes(site)) as url:
        answer = await raw(url, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"SECRET" not in answer


# WebSockets -----------------------------------------------------------------------------------------------------


async def test_a_websocket(script: Script, web: aiohttp.ClientSession) -> None:
    routes = r"""{ GET = { ["/ws"] = function(req) return { headers = { ["X-A"] = "b" }, ws = function(conn)
      print(tostring(conn))
      for message, kind in function() return conn:recv() end do
        conn:send(message, { binary = kind == "binary" })
      end
      print(conn:recv())
    end } end } }"""
    async with script.serving(routes) as url:
        async with web.ws_connect(f"{url}/ws") as socket:
            assert await script.line() == "ws.Connection"
            await socket.send_str("größe")
            assert await socket.receive_str() == "größe"
            await socket.send_bytes(b"\0\xff")
            assert await socket.receive_bytes() == b"\0\xff"
            await socket.close(code=3001, message=b"enough")
        assert await script.line() == "nil\t3001\tenough"
        async with web.get(f"{url}/ws") as response:
            assert (response.status, response.headers["Upgrade"]) == (426, "websocket")


async def test_a_handler_closes_its_websocket(script: Script, web: aiohttp.ClientSession) -> None:
    routes = """{ GET = {
      ["/end"] = function() return { ws = function(conn) conn:send("bye") end } end,
      ["/close"] = function() return { ws = function(conn) conn:close(4000, "why") print(conn:recv()) end } end,
      ["/fail"] = function() return { ws = function(conn) error("boom") end } end,
    } }"""
    async with script.serving(routes) as url:
        for path, code in (("end", 1000), ("close", 4000), ("fail", 1011)):
            async with web.ws_connect(f"{url}/{path}") as socket:
                if path == "end":
                    assert await socket.receive_str() == "bye"
                message = await socket.receive()
                assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, code)
        assert await script.line() == "nil\t4000\twhy"


async def test_a_client_that_breaks_off_is_told_after_what_it_sent(
    script: Script, web: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = """{ GET = { ["/ws"] = function() return { ws = function(conn)
      print("in")
      repeat sleep(0.01) until go
      print(conn:recv())
      local ok, problem = pcall(conn.recv, conn)
      print(problem.kind, problem.code)
      conn:send("nobody is there")
    end } end } }"""
    async with script.serving(routes) as url:
        socket = await web.ws_connect(f"{url}/ws")
        assert await script.line() == "in"
        await socket.send_str("last words")
        break_off(socket)
        script.host.state.invoke(b"set_global", b"go", True)
        assert await script.line() == "last words\ttext"
        assert await script.line() == "closed\t1006"
    assert capsys.readouterr().err == ""


async def test_too_long_a_message(script: Script, web: aiohttp.ClientSession) -> None:
    routes = """{ GET = { ["/ws"] = function() return { ws = function(conn)
      local ok, problem = pcall(conn.recv, conn)
      print(problem.kind, problem.code)
    end } end } }"""
    async with script.serving(routes, "max_message = 100") as url, web.ws_connect(f"{url}/ws") as socket:
        await socket.send_str("x" * 101)
        assert await script.line() == "protocol\t1009"
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)


async def test_the_raw_path(script: Script) -> None:
    routes = '{ GET = { ["/*"] = function(req) return { body = req.path .. " " .. req.raw_path } end } }'
    async with script.serving(routes) as url, connected(url, b"GET /a%2Fb%20c?d HTTP/1.0\r\n\r\n") as reader:
        assert (await reader.read()).endswith(b"\r\n\r\n/a/b c /a%2Fb%20c")


@pytest.mark.parametrize("count", [3, 300])
async def test_requests_and_answers_of_any_size(script: Script, count: int) -> None:
    routes = r"""{ GET = {
      ["/x"] = function(req)
        local n = 0
        for key, value in pairs(req.params) do n = n + (value == key .. "\255" and 1 or 0) end
        return { body = "\0" .. n .. " " .. req.headers.host, status = 203 }
      end,
    } }"""
    query = "&".join(f"k{index}=k{index}%FF" for index in range(count))
    async with script.serving(routes) as url:
        answer = await raw(url, f"GET /x?{query} HTTP/1.1\r\nHost: größe\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 203 ")
    assert answer.endswith(f"\r\n\r\n\0{count} größe".encode())
