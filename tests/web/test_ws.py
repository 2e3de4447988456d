"""`ws` against a server of aiohttp."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trustme
from aiohttp import WSMsgType, web

from assay.errors import LuaError
from web_peers import WAIT_TIMEOUT, Peer, Script, answer_of, break_off, failure

Talk = Callable[[web.WebSocketResponse], Awaitable[object]]


@asynccontextmanager
async def talking(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server whose WebSockets talk as told; gives its URL. Requests are checked by the tests of `http`."""

    async def answer(request: web.BaseRequest) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("b",), autoping=False)
        await socket.prepare(request)
        socket.headers["X-Seen"] = request.headers.get("X-Mine", "")
        await talk(socket)
        return socket

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield f"{'wss' if context else 'ws'}://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def echo(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.PING:
            await socket.pong(message.data)
            await socket.send_str("ping")
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)


async def test_functions_and_methods(script: Script) -> None:
    async with talking(echo) as url:
        found = await script.run(
            r"""local c = ws.connect(..., { headers = { ["X-Mine"] = "1" }, protocols = { "a", "b" } })
            local out = {}
            local function keep(...) for _, v in ipairs{...} do out[#out + 1] = v end end
            ws.send(c, "größe") keep(ws.recv(c))
            c:send("\0\255", { binary = true }) keep(c:recv())
            c:send("", { binary = true }) keep(c:recv())
            c:send("") keep(c:recv())
            c:send(string.rep("x", 300000)) keep(#c:recv())
            ws.ping(c) keep(c:recv()) c:ping() keep(c:recv())
            ws.close(c, 3000, "done") c:close()
            local nothing, code, reason = c:recv()
            keep(tostring(nothing), code, reason)
            return out""",
            url,
        )
    wanted = ["größe", "text", b"\0\xff", "binary", "", "binary", "", "text", 300000, "ping", "text", "ping", "text"]
    assert found == [*wanted, "nil", 3000, "done"]


async def test_a_close_by_the_other_side(script: Script) -> None:
    async def end(socket: web.WebSocketResponse) -> None:
        await socket.send_str("last")
        await socket.close(code=4001, message=b"why not")

    async with talking(end) as url:
        found = await script.run(
            """local c = ws.connect(...)
            local out = { (c:recv()) }
            for i = 1, 2 do
              local nothing, code, reason = c:recv()
              out[#out + 1] = tostring(nothing) out[#out + 1] = code out[#out + 1] = reason
            end
            local ok, problem = pcall(c.send, c, "x")
            out[#out + 1] = problem.kind out[#out + 1] = tostring(problem)
            return out""",
            url,
        )
    assert found[:7] == ["last", "nil", 4001, "why not", "nil", 4001, "why not"]
    assert found[7:] == ["closed", "ws.send failed: the connection is closed"]


async def test_a_connection_that_breaks(script: Script) -> None:
    async def vanish(socket: web.WebSocketResponse) -> None:
        break_off(socket)

    async with talking(vanish) as url:
        kind, message = await failure(script, "ws.connect(...):recv()", url)
    assert (kind, message) == ("closed", f"ws.recv failed: {url[5:-1]} disconnected")


async def test_receivers_take_turns(script: Script) -> None:
    async with talking(echo) as url:
        found = await script.run(
            """local c = ws.connect(...)
            local tasks = {}
            for i = 1, 5 do tasks[i] = async.spawn(c.recv, c) end
            sleep(0)
            for i = 1, 5 do c:send(tostring(i)) end
            local out = {}
            for i = 1, 5 do out[i] = tasks[i]:await()[1] end
            return out""",
            url,
        )
    assert found == ["1", "2", "3", "4", "5"]


async def test_a_time_out_leaves_the_connection_open(script: Script) -> None:
    async with talking(echo) as url:
        found = await script.run(
            """local c = ws.connect(...)
            local ok, problem = pcall(ws.recv, c, { timeout = 0.05 })
            c:send("still here")
            return { problem.kind, tostring(problem), (c:recv()) }""",
            url,
        )
    assert found == ["timeout", "ws.recv failed: no message within 0.05 s", "still here"]


async def test_a_cancelled_receive_leaves_the_connection_open(script: Script) -> None:
    async with talking(echo) as url:
        found = await script.run(
            """local c = ws.connect(...)
            local task = async.spawn(function()
              local ok, problem = pcall(c.recv, c)
              return problem.kind
            end)
            sleep(0.01)
            task:cancel()
            local kind = task:await()[1]
            c:send("still here")
            return { kind, (c:recv()) }""",
            url,
        )
    assert found == ["cancelled", "still here"]


async def test_a_heartbeat_finds_a_dead_peer(script: Script) -> None:
    async def play_dead(socket: web.WebSocketResponse) -> None:
        while not socket.closed:
            await socket.receive()  # pings are not answered: autoping is off

    async with talking(play_dead) as url:
        kind, message = await failure(script, "ws.connect(..., { heartbeat = 0.2 }):recv()", url)
    assert kind == "closed", message


async def test_too_long_a_message(script: Script) -> None:
    async with talking(echo) as url:
        found = await script.run(
            """local c = ws.connect(..., { max_message = 100 })
            c:send(string.rep("x", 101))
            local ok, problem = pcall(c.recv, c)
            return { problem.kind, problem.code }""",
            url,
        )
    assert found == ["protocol", 1009]


async def test_where_nobody_speaks_websocket(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", status="404 Not Found")]
    url = peer.url.replace("http", "ws")
    with pytest.raises(LuaError) as caught:
        await script.run("ws.connect(...)", url)
    assert caught.value.value == {
        "kind": "handshake",
        "status": 404,
        "message": f"ws.connect failed: invalid handshake response from {url[5:]} (status 404)",
    }
    peer.answers = [asyncio.sleep(WAIT_TIMEOUT)]
    assert await failure(script, "ws.connect(..., { timeout = 0.2 })", url) == (
        "timeout",
        f"ws.connect failed: no complete response from {url[5:]} within 0.2 s",
    )
    for address, expected in (("ws://nowhere.invalid", "dns"), ("ws://127.0.0.1:1", "connect")):
        kind, message = await failure(script, "ws.connect(...)", address)
        assert kind == expected, message


async def test_a_handshake_that_a_kept_connection_loses_is_sent_again(script: Script, peer: Peer) -> None:
    async def close_silently(writer: asyncio.StreamWriter) -> None:
        pass

    peer.answers = [answer_of(b"first"), close_silently, answer_of(b"", status="404 Not Found")]
    with pytest.raises(LuaError) as caught:
        await script.run("local url = ...; http.get(url) ws.connect((url:gsub('^http', 'ws')))", peer.url)
    assert caught.value.value["status"] == 404
    assert (len(peer.requests), peer.connections) == (3, 2)


async def test_tls(script: Script, authority: trustme.CA, server_tls: ssl.SSLContext) -> None:
    async with talking(echo, server_tls) as url:
        assert (await failure(script, "ws.connect(...)", url))[0] == "tls"
        call = "local url, pem = ...; local c = ws.connect(url, { ca_cert = pem }) c:send('x') return (c:recv())"
        assert await script.run(call, url, authority.cert_pem.bytes().decode()) == "x"
        assert (
            await script.run("local c = ws.connect(..., { verify = false }) c:send('x') return (c:recv())", url) == "x"
        )
        await script.host.close()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("ws.connect('http://x')", "ws.connect: bad argument 'url' (a ws:// or wss:// URL expected, got 'http://x')"),
        ("ws.connect(nil)", "ws.connect: bad argument 'url' (string expected, got nil)"),
        (
            "ws.connect('ws://x', { timeout = 0 })",
            "ws.connect: bad option 'timeout' (a number above 0 expected, got 0)",
        ),
        ("ws.send({}, 'x')", "ws.send: bad argument 'conn' (ws.Connection expected, got table)"),
        (
            "c:send('\\255')",
            "conn:send: bad argument 'message' (valid UTF-8 expected; use {binary = true} to send bytes)",
        ),
        ("c:send({})", "conn:send: bad argument 'message' (string expected, got table)"),
        ("c:close(5)", "conn:close: bad argument 'code' (1000 or 3000 to 4999 expected, got 5)"),
        (
            "c:close(1000, ('x'):rep(124))",
            "conn:close: bad argument 'reason' (up to 123 bytes expected, got 124)",
        ),
    ],
)
async def test_bad_arguments(script: Script, call: str, message: str) -> None:
    async with talking(echo) as url:
        with pytest.raises(LuaError) as caught:
            await script.run(f"local c = ws.connect(...); {call}", url)
    assert caught.value.message == f"test.lua:1: {message}"


async def test_a_collected_connection_is_closed(script: Script) -> None:
    ended = asyncio.Event()

    async def listen(socket: web.WebSocketResponse) -> None:
        await echo(socket)
        ended.set()

    async with talking(listen) as url:
        await script.run("ws.connect(...) return nil", url)
        async with asyncio.timeout(WAIT_TIMEOUT):
            while not ended.is_set():
                await script.run("collectgarbage() sleep(0.01)")
