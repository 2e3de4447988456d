"""`ws` as a client, against a server of aiohttp."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trustme
from aiohttp import WSMsgType, web

from assay.errors import LuaError
from timeouts import TIMEOUT
from web_peers import Peer, Script, answer_of, break_off, close_silently, failure

Talk = Callable[[web.WebSocketResponse], Awaitable[object]]


@asynccontextmanager
async def talking(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve WebSockets that run `talk`; yields the URL."""

    async def answer(request: web.BaseRequest) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("b",), autoping=False)
        await socket.prepare(request)
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
    """Send each message back, and the text "ping" for a ping."""
    async for message in socket:
        if message.type is WSMsgType.PING:
            await socket.pong(message.data)
            await socket.send_str("ping")
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)


# Messages -------------------------------------------------------------------------------------------------------


async def echoed(script: Script, call: str) -> object:
    """Connect as `c`, run a call, then return the next message and its kind."""
    async with talking(echo) as url:
        code = f"local c = ws.connect(...); {call} local message, kind = c:recv() return {{ message, kind }}"
        return await script.run(code, url)


@pytest.mark.parametrize(
    ("call", "message", "kind"),
    [
        ("c:send('größe')", "größe", "text"),
        ("c:send('')", "", "text"),
        (r"c:send('\0\255', { binary = true })", b"\0\xff", "binary"),
        ("c:send('', { binary = true })", "", "binary"),
        ("c:send(string.rep('x', 300000))", "x" * 300_000, "text"),
    ],
    ids=["text", "empty text", "bytes", "no bytes", "long text"],
)
async def test_a_message_comes_back(script: Script, call: str, message: object, kind: str) -> None:
    assert await echoed(script, call) == [message, kind]


@pytest.mark.parametrize("call", ["ws.ping(c)", "c:ping()"], ids=["function", "method"])
async def test_a_ping_reaches_the_server(script: Script, call: str) -> None:
    assert await echoed(script, call) == ["ping", "text"]


async def test_functions_do_what_methods_do(script: Script) -> None:
    code = """local c = ws.connect(...)
    ws.send(c, "größe")
    local message, kind = ws.recv(c)
    ws.close(c, 3000, "done")
    return { message = message, kind = kind, code = select(2, ws.recv(c)) }"""
    async with talking(echo) as url:
        assert await script.run(code, url) == {"message": "größe", "kind": "text", "code": 3000}


async def test_headers_and_protocols_are_sent(script: Script) -> None:
    requests = []

    async def answer(request: web.BaseRequest) -> web.WebSocketResponse:
        requests.append(request)
        socket = web.WebSocketResponse(protocols=("b",))
        await socket.prepare(request)
        await socket.send_str(socket.ws_protocol or "none")
        return socket

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    code = "return (ws.connect(..., { headers = { ['X-Mine'] = '1' }, protocols = { 'a', 'b' } }):recv())"
    assert await script.run(code, url) == "b"
    assert requests[0].headers["X-Mine"] == "1"
    assert requests[0].headers["Sec-WebSocket-Protocol"].replace(" ", "") == "a,b"
    await runner.cleanup()


# Closing --------------------------------------------------------------------------------------------------------


async def test_recv_returns_nil_code_and_reason_of_the_own_close(script: Script) -> None:
    code = """local c = ws.connect(...)
    c:close(3000, "done")
    local message, code, reason = c:recv()
    return { message = message, code = code, reason = reason }"""
    async with talking(echo) as url:
        assert await script.run(code, url) == {"code": 3000, "reason": "done"}


async def test_a_connection_can_be_closed_twice(script: Script) -> None:
    code = "local c = ws.connect(...); ws.close(c, 3000, 'done') c:close() return select(2, c:recv())"
    async with talking(echo) as url:
        assert await script.run(code, url) == 3000


async def end(socket: web.WebSocketResponse) -> None:
    """Send a message, then close."""
    await socket.send_str("last")
    await socket.close(code=4001, message=b"why not")


async def test_a_message_before_the_close_of_the_server_is_received(script: Script) -> None:
    async with talking(end) as url:
        assert await script.run("return (ws.connect(...):recv())", url) == "last"


async def test_recv_returns_the_close_of_the_server_each_time(script: Script) -> None:
    code = """local c = ws.connect(...)
    c:recv()
    local closes = {}
    for i = 1, 2 do
      local message, code, reason = c:recv()
      closes[i] = { message = message, code = code, reason = reason }
    end
    return closes"""
    async with talking(end) as url:
        assert await script.run(code, url) == [{"code": 4001, "reason": "why not"}] * 2


async def test_nothing_can_be_sent_after_the_close_of_the_server(script: Script) -> None:
    async with talking(end) as url:
        found = await failure(script, "local c = ws.connect(...); c:recv() c:recv() c:send('x')", url)
    assert found == ("closed", "ws.send failed: the connection is closed")


async def test_a_connection_that_breaks_is_an_error(script: Script) -> None:
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
            return { kind = problem.kind, message = tostring(problem), next = (c:recv()) }""",
            url,
        )
    assert found == {
        "kind": "timeout",
        "message": "ws.recv failed: no message within 0.05 s",
        "next": "still here",
    }


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
            return { kind = kind, next = (c:recv()) }""",
            url,
        )
    assert found == {"kind": "cancelled", "next": "still here"}


async def test_a_heartbeat_finds_a_dead_peer(script: Script) -> None:
    async def play_dead(socket: web.WebSocketResponse) -> None:
        while not socket.closed:
            await socket.receive()  # pings are not answered: autoping is off

    async with talking(play_dead) as url:
        kind, message = await failure(script, "ws.connect(..., { heartbeat = 0.2 }):recv()", url)
    assert kind == "closed", message


async def test_a_message_longer_than_max_message_is_an_error(script: Script) -> None:
    async with talking(echo) as url:
        found = await script.run(
            """local c = ws.connect(..., { max_message = 100 })
            c:send(string.rep("x", 101))
            local ok, problem = pcall(c.recv, c)
            return { kind = problem.kind, code = problem.code }""",
            url,
        )
    assert found == {"kind": "protocol", "code": 1009}


# Connecting -----------------------------------------------------------------------------------------------------


async def test_a_server_without_websockets_is_a_handshake_error(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"", status="404 Not Found")]
    url = peer.url.replace("http", "ws")
    with pytest.raises(LuaError) as caught:
        await script.run("ws.connect(...)", url)
    assert caught.value.value == {
        "kind": "handshake",
        "status": 404,
        "message": f"ws.connect failed: invalid handshake response from {url[5:]} (status 404)",
    }


async def test_a_handshake_has_a_timeout(script: Script, peer: Peer) -> None:
    peer.answers = [asyncio.sleep(TIMEOUT)]
    url = peer.url.replace("http", "ws")
    assert await failure(script, "ws.connect(..., { timeout = 0.2 })", url) == (
        "timeout",
        f"ws.connect failed: no complete response from {url[5:]} within 0.2 s",
    )


@pytest.mark.parametrize(("address", "kind"), [("ws://nowhere.invalid", "dns"), ("ws://127.0.0.1:1", "connect")])
async def test_a_server_that_is_not_there(script: Script, address: str, kind: str) -> None:
    assert (await failure(script, "ws.connect(...)", address))[0] == kind


async def test_a_handshake_on_a_kept_connection_that_was_closed_is_sent_again(script: Script, peer: Peer) -> None:
    peer.answers = [answer_of(b"first"), close_silently, answer_of(b"", status="404 Not Found")]
    with pytest.raises(LuaError) as caught:
        await script.run("local url = ...; http.get(url) ws.connect((url:gsub('^http', 'ws')))", peer.url)
    assert caught.value.value["status"] == 404
    assert (len(peer.requests), peer.connections) == (3, 2)


@pytest.fixture
async def tls_url(script: Script, server_tls: ssl.SSLContext) -> AsyncIterator[str]:
    """A server with a certificate of `authority`."""
    async with talking(echo, server_tls) as url:
        yield url
        await script.host.close()


async def test_a_certificate_of_an_unknown_authority_is_an_error(script: Script, tls_url: str) -> None:
    assert (await failure(script, "ws.connect(...)", tls_url))[0] == "tls"


async def test_ca_cert_is_the_authority_to_trust(script: Script, tls_url: str, authority: trustme.CA) -> None:
    code = "local url, pem = ...; local c = ws.connect(url, { ca_cert = pem }) c:send('x') return (c:recv())"
    assert await script.run(code, tls_url, authority.cert_pem.bytes().decode()) == "x"


async def test_verify_false_accepts_any_certificate(script: Script, tls_url: str) -> None:
    code = "local c = ws.connect(..., { verify = false }) c:send('x') return (c:recv())"
    assert await script.run(code, tls_url) == "x"


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
async def test_a_bad_argument(script: Script, call: str, message: str) -> None:
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
        async with asyncio.timeout(TIMEOUT):
            while not ended.is_set():
                await script.run("collectgarbage() sleep(0.01)")
