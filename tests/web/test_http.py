"""The `http` global against peers of its own: raw sockets where bytes count, aiohttp where they do not."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import aiohttp
import pytest
from yarl import URL

from assay.builtins.http.events import Event
from assay.builtins.http.routes import RouteTable, Target
from assay.errors import BuiltinError, LuaError
from assay.lua.function import LuaFunction
from web_peers import WAIT_TIMEOUT, Script, connected, raw

LUA = Path(__file__).parent.parent / "lua"


# The client -----------------------------------------------------------------------------------------------------


# Routes ---------------------------------------------------------------------------------------------------------


def table_of(*routes: str) -> RouteTable:
    given: dict[str, dict[str, Target]] = {}
    for route in routes:
        method, path = route.split()
        given.setdefault(method, {})[path] = cast(LuaFunction, route)
    return RouteTable(dict(given))


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/api/x", "GET /api/x"),
        ("GET", "/api/y", "GET /api/*"),
        ("GET", "/api/v1/y", "GET /api/v1/*"),
        ("GET", "/api/", "GET /api/*"),
        ("GET", "/api", "GET /*"),
        ("GET", "/", "GET /*"),
        ("POST", "/api/x", "post /api/x"),
        ("HEAD", "/api/x", "GET /api/x"),
        ("HEAD", "/h", "HEAD /h"),
        ("POST", "/api/y", None),
    ],
)
def test_the_most_specific_route_wins(method: str, path: str, route: str | None) -> None:
    table = table_of("GET /*", "GET /api/*", "GET /api/v1/*", "GET /api/x", "post /api/x", "GET /h", "HEAD /h")
    found = table.find(method, path, path)
    assert (found and cast(Any, found.target)) == route


def test_the_methods_of_a_path() -> None:
    table = table_of("GET /a", "POST /a", "PUT /*")
    assert table.methods("/a", "/a") == ["GET", "HEAD", "POST", "PUT"]
    assert table.methods("/b", "/b") == ["PUT"]
    assert table_of("GET /a").methods("/b", "/b") == []


@pytest.mark.parametrize(
    ("path", "route", "parameters"),
    [
        ("/items/7", "GET /items/:id", {"id": "7"}),
        ("/items/new", "GET /items/new", {}),
        ("/items/7/parts/8", "GET /items/:id/parts/:part", {"id": "7", "part": "8"}),
        ("/items/new/parts/8", "GET /items/:id/parts/:part", {"id": "new", "part": "8"}),
        ("/items/7/files/a/b", "GET /items/:id/files/*", {"id": "7", "*": "a/b"}),
        ("/items/7/files/", "GET /items/:id/files/*", {"id": "7", "*": ""}),
        ("/items/a%2Fb", "GET /items/:id", {"id": "a/b"}),
        ("/items/a%20%C3%A9", "GET /items/:id", {"id": "a é"}),
        ("/items/7/", "GET /*", {"*": "items/7/"}),
        ("/items//parts/8", "GET /*", {"*": "items//parts/8"}),
        ("/items", "GET /*", {"*": "items"}),
        ("/items/7/elsewhere", "GET /*", {"*": "items/7/elsewhere"}),
    ],
)
def test_the_parameters_of_a_path(path: str, route: str, parameters: dict[str, str]) -> None:
    table = table_of(
        *("GET /*", "GET /items/:id", "GET /items/new", "GET /items/new/x"),
        *("GET /items/:id/parts/:part", "GET /items/:id/files/*"),
    )
    found = table.find("GET", unquote(path), path)
    assert found is not None
    assert (cast(Any, found.target), found.parameters) == (route, parameters)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "a path must begin with '/'"),
        ("x", "a path must begin with '/'"),
        ("*", "a path must begin with '/'"),
        ("/a*", "'*' must be the last segment: '/files/*'"),
        ("/*/b", "'*' must be the last segment: '/files/*'"),
        ("/a/**", "'*' must be the last segment: '/files/*'"),
        ("/a/:", "a parameter must be ':' and a name: '/items/:id'"),
        ("/a/:b-c", "a parameter must be ':' and a name: '/items/:id'"),
        ("/a/:b*", "'*' must be the last segment: '/files/*'"),
        ("/a/{b}", "parameters are written with a colon: '/items/:id'"),
        ("/a?b=c", "a path cannot contain a query; handlers receive query parameters in 'params'"),
        ("/a%20b", "a path must not be percent-encoded"),
        ("/:a/x/:a", "duplicate parameter name"),
    ],
)
def test_a_bad_route(path: str, problem: str) -> None:
    with pytest.raises(BuiltinError) as caught:
        RouteTable({"GET": {path: cast(LuaFunction, None)}})
    assert str(caught.value) == f"bad route '{path}' ({problem})"


def test_two_routes_for_the_same_paths() -> None:
    for first, second in (("/a/:b", "/a/:c"), ("/:b/*", "/:c/*")):
        with pytest.raises(BuiltinError) as caught:
            table_of(f"GET {first}", f"GET {second}")
        assert str(caught.value) == f"bad route '{second}' (it matches the same paths as '{first}')"
    table_of("GET /a/:b", "POST /a/:c")


@pytest.mark.parametrize("method", ["GTE", "", "/items"])
def test_a_bad_method_of_routes(method: str) -> None:
    with pytest.raises(BuiltinError) as caught:
        RouteTable({method: {"/": cast(LuaFunction, None)}})
    assert str(caught.value) == f"bad method '{method}' in the routes (expected {{ GET = {{ ['/items'] = … }} }})"


# The server -----------------------------------------------------------------------------------------------------


ECHO = """(function()
  local function echo(req) return { json = req } end
  return { GET = { ["/*"] = echo }, POST = { ["/*"] = echo } }
end)()"""


async def test_the_request_table(script: Script, web: aiohttp.ClientSession) -> None:
    query = "x=1+2&y=%C3%A9&y=2&flag"
    async with (
        script.serving(ECHO) as url,
        web.post(URL(f"{url}/a%20b/c?{query}", encoded=True), data=b"body", headers={"X-Up": "Az"}) as response,
    ):
        seen = await response.json()
    assert response.headers.getall("Content-Type") == ["application/json"]
    assert {name: seen[name] for name in ("method", "path", "query", "body")} == {
        "method": "POST",
        "path": "/a b/c",
        "query": query,
        "body": "body",
    }
    assert seen["params"] == {"x": "1 2", "y": "2", "flag": ""}
    assert seen["headers"]["x-up"] == "Az"


async def test_a_request_of_odd_bytes(script: Script) -> None:
    routes = r"""{ POST = { ["/*"] = function(req)
      print(req.path == "/\255/", req.query, req.params.a == "\255", req.headers["x-b"] == "\255", req.headers["x-c"])
      print(req.body == "\0\255\n", next(req.params, "a"))
      return {}
    end } }"""
    async with script.serving(routes) as url:
        head = b"POST /%ff%2F?a=%FF HTTP/1.1\r\nHost: x\r\nX-B: \xff\r\nX-C: 1\r\nx-c: 2\r\nConnection: close\r\n"
        answer = await raw(url, head + b"Transfer-Encoding: chunked\r\n\r\n3\r\n\0\xff\n\r\n0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert await script.line() == "true\ta=%FF\ttrue\ttrue\t1, 2"
        assert await script.line() == "true\tnil"


async def test_responses(script: Script, web: aiohttp.ClientSession) -> None:
    routes = r"""{ GET = {
      ["/text"] = function() return { body = "é" } end,
      ["/bytes"] = function() return { body = "\0\255" } end,
      ["/json"] = function()
        return { status = 201, json = { 2, 2.0, {}, json.array(), json.null }, body = "not this" }
      end,
      ["/false"] = function() return { json = false } end,
      ["/typed"] = function() return { json = {}, headers = { ["content-type"] = "application/problem+json" } } end,
      ["/many"] = function() return { headers = { ["Set-Cookie"] = { "a=1", "b=2" }, ["X-N"] = 3 } } end,
      ["/none"] = function() return { status = 204, body = "unseen" } end,
      ["/null"] = function() return { json = json.null } end,
      ["/framed"] = function()
        return { body = "four", headers = { ["content-length"] = 99, ["transfer-encoding"] = "chunked" } }
      end,
    } }"""
    async with script.serving(routes) as url:

        async def ask(path: str, method: str = "GET") -> tuple[int, bytes, list[str]]:
            async with web.request(method, url + path) as response:
                return response.status, await response.read(), response.headers.getall("Content-Type", [])

        assert await ask("/text") == (200, "é".encode(), ["text/plain; charset=utf-8"])
        assert await ask("/bytes") == (200, b"\0\xff", ["application/octet-stream"])
        assert await ask("/json") == (201, b"[2,2.0,{},[],null]", ["application/json"])
        assert await ask("/false") == (200, b"false", ["application/json"])
        assert await ask("/typed") == (200, b"{}", ["application/problem+json"])
        assert await ask("/none") == (204, b"", [])
        assert await ask("/null") == (200, b"null", ["application/json"])
        assert (await ask("/framed"))[:2] == (200, b"four")
        assert await ask("/text", "HEAD") == (200, b"", ["text/plain; charset=utf-8"])
        assert await ask("/elsewhere") == (404, b"not found", ["text/plain; charset=utf-8"])
        async with web.get(url + "/many") as response:
            assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
            assert response.headers["X-N"] == "3"
        async with web.delete(url + "/text") as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('error("boom\\nbang")', r"test.lua:1: boom\nbang"),
        ('error({ message = "an object" })', "an object"),
        ("error({ code = 5 })", '(error object is a table value) {"code": 5}'),
        ("return nil", "the handler returned nil, not a response table"),
        ('return "text"', "the handler returned a string, not a response table"),
        ("return { stauts = 200 }", "unknown option 'stauts' (did you mean 'status'?)"),
        ("return { status = 99 }", "bad option 'status' (200 to 599 expected, got 99)"),
        ("return { body = {} }", "bad option 'body' (string expected, got table)"),
        ("return { json = { 0/0 } }", "bad option 'json' (not JSON-serializable: Out of range float values"),
        ("return { json = print }", "bad option 'json' (not JSON-serializable: a function)"),
        ('return { headers = { ["a b"] = "c" } }', "bad header name 'a b'"),
        (
            'return { headers = { a = "b\\nc: d" } }',
            "bad header 'a' (its value contains a control character)",
        ),
        ("return { body = coroutine.create(print) }", "the result is not serializable: a thread at .body"),
    ],
)
async def test_a_failing_handler_is_a_500_and_a_line(
    script: Script, web: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str], body: str, problem: str
) -> None:
    routes = f'{{ GET = {{ ["/x"] = function() {body} end, ["/ok"] = function() return {{ body = "ok" }} end }} }}'
    async with script.serving(routes) as url:
        async with web.get(f"{url}/x") as response:
            assert (response.status, await response.text()) == (500, "internal server error")
        async with web.get(f"{url}/ok") as response:
            assert await response.text() == "ok"
    (line,) = capsys.readouterr().err.splitlines()
    assert f" ERROR http.serve: GET /x: {problem}" in line


async def test_handlers_run_concurrently(script: Script, web: aiohttp.ClientSession) -> None:
    routes = """(function()
      local waiting, most = 0, 0
      return { GET = { ["/x"] = function()
        waiting = waiting + 1
        most = math.max(most, waiting)
        while most < 50 do sleep(0.01) end
        waiting = waiting - 1
        return { body = tostring(most) }
      end } }
    end)()"""

    async def ask(url: str) -> str:
        async with web.get(f"{url}/x") as response:
            return await response.text()

    async with script.serving(routes) as url:
        assert await asyncio.gather(*[ask(url) for _ in range(50)]) == ["50"] * 50


async def test_a_client_that_goes_cancels_the_handler(script: Script) -> None:
    routes = """{ GET = { ["/x"] = function()
      print("started")
      local ok, problem = pcall(sleep, 1000)
      print(ok, problem.kind)
      error(problem)
    end } }"""
    async with script.serving(routes) as url:
        async with connected(url, b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"):
            assert await script.line() == "started"
        assert await script.line() == "false\tcancelled"


EVENTS = r"""{ GET = { ["/events"] = function(req) return { headers = { ["X-A"] = "b" }, sse = function(send)
  send{ data = "one" }
  send{ data = "two\nlines\r\n", event = "kind", id = "7", retry = 1500 }
  sleep(0)
  send{ data = "" }
  print(pcall(send, { data = "x", event = "a\nb" }))
  print(pcall(send, {}))
  print(pcall(send, "text"))
  late = send
end } end, ["/late"] = function() print(pcall(late, { data = "x" })) return {} end } }"""


async def test_server_sent_events(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(EVENTS) as url:
        async with web.get(f"{url}/events") as response:
            text = await response.text()
            assert response.headers["Content-Type"] == "text/event-stream"
            assert response.headers["Cache-Control"] == "no-cache"
            assert response.headers["X-A"] == "b"
        assert text == ("data: one\n\nevent: kind\nid: 7\nretry: 1500\ndata: two\ndata: lines\ndata: \n\ndata: \n\n")
        assert await script.line() == "false\tsend: bad option 'event' (one line without NUL expected)"
        assert await script.line() == "false\tsend: missing option 'data'"
        assert await script.line() == "false\tsend: bad argument 'event' (table expected, got string)"
        async with web.head(f"{url}/events") as response:
            assert response.headers["Content-Type"] == "text/event-stream"
        async with web.get(f"{url}/late"):
            assert await script.line() == "false\tsend: the stream has ended"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event(data="a\rb"), b"data: a\ndata: b\n\n"),
        (Event(data="é", id=""), "id: \ndata: é\n\n".encode()),
        (Event(data="x", retry=0), b"retry: 0\ndata: x\n\n"),
    ],
)
def test_an_events_text(event: Event, text: bytes) -> None:
    assert event.encode() == text


async def test_a_client_that_goes_ends_its_stream(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    routes = """{ GET = { ["/x"] = function() return { sse = function(send)
      local ok, problem
      repeat ok, problem = pcall(function() send{ data = "tick" } sleep(0.01) end) until not ok
      print(problem.kind)
      error("nobody is there to be told")
    end } end } }"""
    async with script.serving(routes) as url:
        async with connected(url, b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n") as reader:
            await reader.readuntil(b"data: tick\n\n")
        assert await script.line() in ("cancelled", "closed")
    assert capsys.readouterr().err == ""


async def test_an_error_in_a_stream_is_a_line(
    script: Script, web: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = (
        '{ GET = { ["/x"] = function() return { sse = function(send) send{ data = "a" } error("boom") end } end } }'
    )
    async with script.serving(routes) as url, web.get(f"{url}/x") as response:
        assert await response.text() == "data: a\n\n"
    assert capsys.readouterr().err.endswith(" ERROR http.serve: GET /x: test.lua:1: boom\n")


async def test_long_bodies(script: Script, web: aiohttp.ClientSession) -> None:
    routes = '{ POST = { ["/x"] = function(req) return { body = tostring(#req.body) } end } }'
    async with script.serving(routes, "max_body = 1000") as url:
        for size, expected in ((1000, (200, "1000")), (1001, (413, "the body is longer than 1000 bytes"))):
            async with web.post(f"{url}/x", data=b"x" * size) as response:
                assert (response.status, await response.text()) == expected
        chunks = b"100\r\n" + b"x" * 256 + b"\r\n"
        head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n"
        assert (await raw(url, head)).startswith(b"HTTP/1.1 413 ")
        head = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert (await raw(url, head + chunks * 4 + b"0\r\n\r\n")).startswith(b"HTTP/1.1 413 ")


async def test_a_compressed_body_comes_as_it_was_sent(script: Script, web: aiohttp.ClientSession) -> None:
    routes = '{ POST = { ["/x"] = function(req) return { body = req.body } end } }'
    body = gzip.compress(b"text")
    async with (
        script.serving(routes) as url,
        web.post(f"{url}/x", data=body, headers={"Content-Encoding": "gzip"}) as response,
    ):
        assert await response.read() == body


async def test_expect_continue(script: Script) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    async with script.serving(ECHO) as url:
        answer = await raw(url, head + b"ab")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03",
        b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_a_malformed_request(script: Script, caplog: pytest.LogCaptureFixture, request_bytes: bytes) -> None:
    async with script.serving(ECHO) as url:
        assert (await raw(url, request_bytes)).split()[1] == b"400"
        assert (await raw(url, b"GET / HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 200 ")
    assert not caplog.records


async def test_where_it_cannot_listen(script: Script) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for call, message in (
            (f"http.serve({port}, {{}})", f"http.serve: port {port} on 127.0.0.1 is in use"),
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
        ):
            with pytest.raises(LuaError) as caught:
                await script.run(call)
            assert caught.value.message == f"test.lua:1: {message}"


async def test_the_port_is_a_global(script: Script) -> None:
    async with script.serving("{ GET = { ['/x'] = function() return { body = tostring(_SERVER_PORT) } end } }") as url:
        answer = await raw(url, b"GET /x HTTP/1.0\r\n\r\n")
        assert answer.endswith(b"\r\n\r\n" + url.rpartition(":")[2].encode())


async def test_cancelling_lets_handlers_end_and_stops_listening(script: Script) -> None:
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


async def test_the_access_log(
    script: Script, web: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_LOG", "json")
    routes = '{ GET = { ["/x"] = function() return { status = 201, body = "1234" } end } }'
    async with script.serving(routes, "access_log = true") as url, web.get(f"{url}/x?y=1"):
        pass
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"]) == ("info", "http.serve: GET /x?y=1")
    assert line["fields"].pop("seconds") < WAIT_TIMEOUT
    assert line["fields"].pop("bytes") > 4
    assert line["fields"] == {"client": "127.0.0.1", "status": 201}


@pytest.mark.parametrize(
    ("path", "status"), [("/slow", None), ("/stream", 200), ("/socket", 101)], ids=["handler", "stream", "socket"]
)
async def test_the_access_log_of_what_the_client_ends(
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
        async with asyncio.timeout(WAIT_TIMEOUT):
            while "\n" not in lines:
                await asyncio.sleep(0.005)
                lines += capsys.readouterr().err
    assert f"http.serve: GET {path} bytes=" in lines
    assert (f" status={status}\n" in lines) if status else (" status=" not in lines)


# The real command -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(LUA.glob("http_*.lua")), ids=lambda path: path.stem)
def test_scripts(path: Path) -> None:
    command = [sys.executable, "-m", "assay", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout


def test_the_import_needs_no_aiohttp() -> None:
    code = "import sys, assay.builtins.http; print('aiohttp' in sys.modules, 'asyncio' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False False\n"
