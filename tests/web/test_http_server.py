"""`http.serve`: shutdown, time limits, many connections, files, WebSockets."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from command import TIMEOUT, Command, read_until
from web_peers import WAIT_TIMEOUT, Script, break_off, connected, raw

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
            message = await asyncio.wait_for(socket.receive(), WAIT_TIMEOUT)
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
            assert await asyncio.wait_for(answer, WAIT_TIMEOUT) == "done"
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
            async with asyncio.timeout(WAIT_TIMEOUT):  # two signals at the same moment could count as one
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
        async with asyncio.timeout(WAIT_TIMEOUT):
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

            async with asyncio.timeout(WAIT_TIMEOUT):
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

        assert await get("/s/") == (200, b"<p>home", "text/html; charset=utf-8")
        assert await get("/s/deep/") == (200, b"<p>deep", "text/html; charset=utf-8")
        assert await get("/s/a%20b.txt") == (200, b"0123456789", "text/plain; charset=utf-8")
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


async def ask_raw(url: str, target: str, *headers: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Ask over a connection of its own; returns status, headers and body."""
    head = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *headers]
    answer = await raw(url, ("\r\n".join(head) + "\r\n\r\n").encode())
    text, _, body = answer.partition(b"\r\n\r\n")
    lines = text.decode().split("\r\n")
    return int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:]), body


ALL = b"0123456789"


@pytest.mark.parametrize(
    ("wanted", "status", "body", "where"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=7-99", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, ALL, "bytes 0-9/10"),
        ("Bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes= 2-4 ,", 206, b"234", "bytes 2-4/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        (f"bytes={'9' * 5000}-", 416, b"", "bytes */10"),
        ("bytes=4-2", 200, ALL, None),
        ("bytes=0-1,3-4", 200, ALL, None),
        ("bytes=-", 200, ALL, None),
        ("bytes=a-b", 200, ALL, None),
        ("bytes=+1-2", 200, ALL, None),
        ("bytes=1 - 2", 200, ALL, None),
        ("bytes", 200, ALL, None),
        ("bytes=", 200, ALL, None),
        ("=0-1", 200, ALL, None),
        ("items=0-1", 200, ALL, None),
        ("bytes 0-1", 200, ALL, None),
        ("", 200, ALL, None),
    ],
)
async def test_ranges(script: Script, site: Path, wanted: str, status: int, body: bytes, where: str | None) -> None:
    async with script.serving(routes(site)) as url:
        found = await ask_raw(url, "/s/a%20b.txt", f"Range: {wanted}")
        assert (found[0], found[2], found[1].get("content-range")) == (status, body, where)
        assert found[1]["content-length"] == str(len(body))
        head = await ask_raw(url, "/s/a%20b.txt", f"Range: {wanted}", method="HEAD")
        assert (head[0], head[1]["content-length"], head[2]) == (200, "10", b"")


async def test_ranges_of_an_empty_file(script: Script, site: Path) -> None:
    (site / "empty").touch()
    async with script.serving(routes(site)) as url:
        for wanted, status in (("bytes=0-", 416), ("bytes=-5", 200), ("bytes=-0", 416)):
            assert (await ask_raw(url, "/s/empty", f"Range: {wanted}"))[0] == status


@pytest.mark.parametrize(
    ("condition", "partial"),
    [
        ("TAG", True),
        ("DATE", True),
        ('"other"', False),
        ("W/TAG", False),
        ("Mon, 01 Jan 2001 00:00:00 GMT", False),
        ("Mon, 01 Jan 2035 00:00:00 GMT", False),
        ("nonsense", False),
        ("TAG, TAG", False),
    ],
)
async def test_a_part_is_of_the_file_that_the_client_knows(
    script: Script, site: Path, condition: str, partial: bool
) -> None:
    async with script.serving(routes(site)) as url:
        _, headers, _ = await ask_raw(url, "/s/a%20b.txt", method="HEAD")
        os.utime(site / "data.json", (10**9, 10**9))
        given = condition.replace("TAG", headers["etag"]).replace("DATE", header_case(headers["last-modified"]))
        status, _, body = await ask_raw(url, "/s/a%20b.txt", "Range: bytes=4-", f"If-Range: {given}")
        assert (status, body) == ((206, b"456789") if partial else (200, ALL))


def header_case(date: str) -> str:
    """A date whose letters `ask_raw` has made small."""
    return date.title().replace("Gmt", "GMT")


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        (["If-None-Match: TAG"], 304),
        (["If-None-Match: W/TAG"], 304),
        (["If-None-Match: *"], 304),
        (['If-None-Match: "a", TAG'], 304),
        (['If-None-Match: "a"'], 200),
        (["If-Modified-Since: DATE"], 304),
        (["If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT"], 200),
        (["If-Modified-Since: nonsense"], 200),
        (['If-None-Match: "a"', "If-Modified-Since: DATE"], 200),
        (["If-Match: TAG"], 200),
        (["If-Match: *"], 200),
        (["If-Match: W/TAG"], 412),
        (['If-Match: "a"'], 412),
        (["If-Unmodified-Since: DATE"], 200),
        (["If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"], 412),
        (["If-Match: TAG", "If-None-Match: TAG"], 304),
        (["If-None-Match: TAG", "Range: bytes=0-1"], 304),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_conditions(script: Script, site: Path, conditions: list[str], status: int, method: str) -> None:
    async with script.serving(routes(site)) as url:
        _, headers, _ = await ask_raw(url, "/s/a%20b.txt", method="HEAD")
        tag, date = headers["etag"], header_case(headers["last-modified"])
        given = [line.replace("TAG", tag).replace("DATE", date) for line in conditions]
        found, headers, body = await ask_raw(url, "/s/a%20b.txt", *given, method=method)
    assert (found, body) == (status, ALL if status == 200 and method == "GET" else b"")
    assert headers["etag"] == tag
    assert headers["cache-control"] == "max-age=5"


async def test_a_folder_without_its_slash_is_redirected(script: Script, site: Path) -> None:
    async with script.serving(routes(site)) as url:
        for target, location in (
            ("/s/deep", "/s/deep/"),
            ("/s/deep?a=b%20c", "/s/deep/?a=b%20c"),
            ("/s//deep", "/s//deep/"),
            ("/s/%64eep", "/s/%64eep/"),
        ):
            status, headers, _ = await ask_raw(url, target)
            assert (status, headers["location"]) == (301, location)
        assert (await ask_raw(url, "/s/.well-known"))[0] == 404
        assert (await ask_raw(url, "/bare/deep"))[0] == 404
    async with script.serving(f'{{ GET = {{ ["/*"] = {{ static = "{site}" }} }} }}') as url:
        assert (await ask_raw(url, "//deep"))[1]["location"] == "/deep/"


async def test_the_type_of_a_file(script: Script, site: Path) -> None:
    (site / "latin.txt").write_bytes(b"\xe9")
    types = {
        "index.html": "text/html; charset=utf-8",
        "x.css": "text/css; charset=utf-8",
        "x.js": "text/javascript; charset=utf-8",
        "x.svg": "image/svg+xml",
        "x.webp": "image/webp",
        "x.tar.gz": "application/gzip",
        "x.wasm": "application/wasm",
        "none": "application/octet-stream",
    }
    given = f"""{{ GET = {{
      ["/s/*"] = {{ static = "{site}" }},
      ["/latin"] = {{ static = "{site}/latin.txt", headers = {{ ["content-type"] = "text/plain; charset=latin-1" }} }},
    }} }}"""
    for name in types:
        (site / name).touch()
    async with script.serving(given) as url:
        for name, kind in types.items():
            assert (await ask_raw(url, f"/s/{name}"))[1]["content-type"] == kind
        assert (await ask_raw(url, "/latin"))[1]["content-type"] == "text/plain; charset=latin-1"


async def test_a_large_file(script: Script, site: Path) -> None:
    data = os.urandom(3_000_000)
    (site / "large").write_bytes(data)
    async with script.serving(routes(site)) as url:
        assert (await ask_raw(url, "/s/large"))[2] == data
        assert (await ask_raw(url, "/s/large", "Range: bytes=1000000-"))[2] == data[1_000_000:]


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


# Connections ----------------------------------------------------------------------------------------------------

SPEAKING = """{
  GET = {
    ["/x"] = function(req) return { body = "x" } end,
    ["/slow"] = function() sleep(0.1) return { body = "slow" } end,
    ["/long"] = function() print("in") print(pcall(sleep, 1000)) end,
    ["/events"] = function()
      return { sse = function(send) send{ data = "one" } sleep(0.1) send{ data = "two" } end }
    end,
    ["/cookies"] = function(req) return { body = req.headers.cookie or "none" } end,
    ["/items/:id/*"] = function(req) return { json = req.path_params } end,
    ["/sorted"] = function()
      return { json = { zeta = 1, alpha = { b = 1, a = 2 }, mid = 3, ["10"] = 1, ["9"] = 1 } }
    end,
  },
  POST = { ["/length"] = function(req) return { body = tostring(#req.body) } end },
}"""


async def say(url: str, said: bytes, *, end: bool = True) -> bytes:
    """Send bytes and, perhaps, that no more follow; returns all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        writer.write(said)
        if end:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), WAIT_TIMEOUT)
    finally:
        writer.close()


def statuses(answers: bytes) -> list[int]:
    return [int(line.split()[1]) for line in answers.split(b"\r\n") if b"HTTP/1." in line]


HEAD = " HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (f"GET /x{HEAD}\r\n", b"x"),
        (f"GET /slow{HEAD}\r\n", b"slow"),
        (f"POST /length{HEAD}Content-Length: 3\r\n\r\nabc", b"3"),
        (f"POST /length{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"3"),
        (f"GET /slow{HEAD}\r\nGET /x{HEAD}\r\n", b"x"),
        ("GET /slow HTTP/1.0\r\n\r\n", b"slow"),
        (f"GET /events{HEAD}\r\n", b"data: one\n\n\r\nb\r\ndata: two\n\n\r\n0\r\n\r\n"),
    ],
)
async def test_a_client_that_says_no_more_is_answered(script: Script, said: str, body: bytes) -> None:
    async with script.serving(SPEAKING) as url:
        answer = await say(url, said.encode())
    assert set(statuses(answer)) == {200}
    assert len(statuses(answer)) == said.count("HTTP/1.")
    assert answer.endswith(body)


async def test_many_requests_of_a_client_that_says_no_more(script: Script) -> None:
    async with script.serving(SPEAKING) as url:
        for request in (f"GET /x{HEAD}\r\n", f"POST /length{HEAD}Content-Length: 3\r\n\r\nabc"):
            assert statuses(await say(url, request.encode() * 200)) == [200] * 200
        assert statuses(await say(url, f"GET /x{HEAD}\r\n".encode() * 200 + b"GARBAGE\r\n\r\n")) == [200] * 200 + [400]


async def test_a_long_body_of_a_client_that_says_no_more(script: Script) -> None:
    body = b"\r\n\r\n" * 500_000
    async with script.serving(SPEAKING, "half_close_timeout = math.huge") as url:
        answer = await say(url, f"POST /length{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert answer.endswith(b"\r\n\r\n2000000")


async def test_a_file_for_a_client_that_says_no_more(script: Script, site: Path) -> None:
    (site / "large").write_bytes(b"x" * 3_000_000)
    async with script.serving(routes(site)) as url:
        assert (await say(url, f"GET /s/large{HEAD}\r\n".encode())).endswith(b"\r\n\r\n" + b"x" * 3_000_000)


async def test_a_handler_has_limited_time_for_a_client_that_says_no_more(script: Script) -> None:
    async with script.serving(SPEAKING, "half_close_timeout = 0.1") as url:
        assert await say(url, f"GET /long{HEAD}\r\n".encode()) == b""
        assert await script.line() == "in"
        assert await script.line() == "false\tcancelled"


async def test_what_is_sent_keeps_a_handler_for_a_client_that_says_no_more(script: Script) -> None:
    routes = """{ GET = { ["/events"] = function() return { sse = function(send)
      for i = 1, 10 do send{ data = tostring(i) } sleep(0.1) end
    end } end } }"""
    async with script.serving(routes, "half_close_timeout = 0.5") as url:
        assert b"data: 10\n\n" in await say(url, f"GET /events{HEAD}\r\n".encode())


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        ("", []),
        ("GET /x HTTP/1.1\r\nHost", []),
        (f"POST /length{HEAD}Content-Length: 5\r\n\r\nabc", [400]),
        (f"POST /length{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nab", [400]),
        (f"GET /x{HEAD}\r\nPOST /length{HEAD}Content-Length: 5\r\n\r\nabc", [200, 400]),
        (f"GET /x{HEAD}\r\nGET /x", [200]),
        (f"CONNECT x:80{HEAD}\r\n", [404]),
    ],
)
async def test_a_client_that_ends_within_a_request(script: Script, said: str, answers: list[int]) -> None:
    async with script.serving(SPEAKING) as url:
        assert statuses(await say(url, said.encode())) == answers


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        (f"GET /x{HEAD}Connection: close\r\n\r\nGET /x{HEAD}\r\n", [200]),
        (f"POST /length{HEAD}Connection: close\r\nContent-Length: 3\r\n\r\nabcGET /x{HEAD}\r\n", [200]),
        (f"GET /x HTTP/1.0\r\n\r\nGET /x{HEAD}\r\n", [200]),
        (f"GET /x{HEAD}\r\nGARBAGE\r\n\r\n", [200, 400]),
        (f"GET /x{HEAD}\r\nGET /slow{HEAD}\r\nGET /x{HEAD}bad header\r\n\r\n", [200, 200, 400]),
        (f"GET /x{HEAD}\r\n\r\n\r\nGET /x{HEAD}Connection: close\r\n\r\n", [200, 200]),
        (f"POST /length{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n", [400]),
        (f"POST /length{HEAD}Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", [400]),
        (f"POST /elsewhere{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n", [404]),
        (f"POST /length{HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", [501]),
        ("GET /x HTTP/2.0\r\nHost: x\r\n\r\n", [505]),
        ("GET /x HTTP/0.9\r\nHost: x\r\n\r\n", [505]),
        ("GET /x HTTP/1.2\r\nHost: x\r\n\r\n", [505]),
        ("GET /x HTTP/3.0\r\nHost: x\r\n\r\n", [505]),
    ],
)
@pytest.mark.parametrize("how", ["at once", "in two pieces"])
async def test_one_bad_request_does_not_cost_the_others(
    script: Script, said: str, answers: list[int], how: str
) -> None:
    async with script.serving(SPEAKING) as url:
        if how == "at once":
            found = await say(url, said.encode(), end=False)
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.write(said[:-7].encode())
            await asyncio.sleep(0.05)
            writer.write(said[-7:].encode())
            found = await asyncio.wait_for(reader.read(), WAIT_TIMEOUT)
            writer.close()
    assert statuses(found) == answers
    assert b"HTTP/2" not in found


async def test_a_connection_that_is_reset_cancels_its_handler_at_once(script: Script) -> None:
    async with script.serving(SPEAKING, "half_close_timeout = math.huge") as url:
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as client:
            client.sendall(f"GET /long{HEAD}\r\n".encode())
            assert await script.line() == "in"
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert await script.line() == "false\tcancelled"


async def test_several_cookie_headers_are_one(script: Script) -> None:
    async with script.serving(SPEAKING) as url:
        answer = await say(url, f"GET /cookies{HEAD}Cookie: a=1\r\ncookie: b=2; c=3\r\n\r\n".encode())
    assert answer.endswith(b"\r\n\r\na=1; b=2; c=3")


async def test_a_handler_gets_the_parameters_of_its_path(script: Script) -> None:
    async with script.serving(SPEAKING) as url:
        answer = await say(url, f"GET /items/a%2Fb/c/d?id=no{HEAD}\r\n".encode())
    assert answer.endswith(b'\r\n\r\n{"*":"c/d","id":"a/b"}')


async def test_json_of_a_handler_has_its_keys_in_order(script: Script) -> None:
    async with script.serving(SPEAKING) as url:
        answer = await say(url, f"GET /sorted{HEAD}\r\n".encode())
        written = await script.run(
            'return json.encode({ zeta = 1, alpha = { b = 1, a = 2 }, mid = 3, ["10"] = 1, ["9"] = 1 })'
        )
    assert answer.endswith(b'\r\n\r\n{"10":1,"9":1,"alpha":{"a":2,"b":1},"mid":3,"zeta":1}')
    assert answer.endswith(written.encode())


@pytest.mark.parametrize("code", [*range(9), *range(10, 32), 127])
async def test_control_characters_in_a_handlers_headers_are_refused(
    script: Script, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    handler = f"function() return {{ headers = {{ a = 'b\\{code:03}c' }} }} end"
    async with script.serving(f'{{ GET = {{ ["/x"] = {handler} }} }}') as url:
        assert statuses(await say(url, f"GET /x{HEAD}\r\n".encode())) == [500]
    assert "bad header 'a' (its value contains a control character)" in capsys.readouterr().err


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
