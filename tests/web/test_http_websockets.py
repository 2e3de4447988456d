"""WebSockets that handlers of `http.serve` accept."""

from __future__ import annotations

import aiohttp
import pytest

from web_peers import Script, break_off

ECHO = r"""{ GET = { ["/ws"] = function() return { ws = function(conn)
  for message, kind in function() return conn:recv() end do
    conn:send(message, { binary = kind == "binary" })
  end
end } end } }"""


def endpoint(code: str) -> str:
    """Return routes with a WebSocket at `/ws`: `code` runs with its connection, `conn`."""
    return f'{{ GET = {{ ["/ws"] = function() return {{ ws = function(conn) {code} end }} end }} }}'


async def received_close(socket: aiohttp.ClientWebSocketResponse) -> int:
    """Return the code with which the server closes the WebSocket."""
    message = await socket.receive()
    assert message.type == aiohttp.WSMsgType.CLOSE
    return int(message.data)


async def test_text_stays_text(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(ECHO) as url, web.ws_connect(f"{url}/ws") as socket:
        await socket.send_str("größe")
        assert await socket.receive_str() == "größe"


async def test_bytes_stay_bytes(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(ECHO) as url, web.ws_connect(f"{url}/ws") as socket:
        await socket.send_bytes(b"\0\xff")
        assert await socket.receive_bytes() == b"\0\xff"


async def test_the_connection_has_a_name(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(endpoint("print(tostring(conn))")) as url, web.ws_connect(f"{url}/ws"):
        assert await script.line() == "ws.Connection"


async def test_recv_returns_code_and_reason_of_the_close(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(endpoint("print(conn:recv())")) as url:
        async with web.ws_connect(f"{url}/ws") as socket:
            await socket.close(code=3001, message=b"enough")
        assert await script.line() == "nil\t3001\tenough"


async def test_recv_returns_the_close_again(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(endpoint("conn:recv() print(conn:recv())")) as url:
        async with web.ws_connect(f"{url}/ws") as socket:
            await socket.close(code=3001, message=b"enough")
        assert await script.line() == "nil\t3001\tenough"


async def test_a_request_without_an_upgrade_is_answered_with_426(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(ECHO) as url, web.get(f"{url}/ws") as response:
        assert (response.status, response.headers["Upgrade"]) == (426, "websocket")


async def test_the_end_of_the_handler_closes_with_1000(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(endpoint("conn:send('bye')")) as url, web.ws_connect(f"{url}/ws") as socket:
        assert await socket.receive_str() == "bye"
        assert await received_close(socket) == 1000


async def test_a_handler_closes_with_its_code(script: Script, web: aiohttp.ClientSession) -> None:
    code = "conn:close(4000, 'why') print(conn:recv())"
    async with script.serving(endpoint(code)) as url:
        async with web.ws_connect(f"{url}/ws") as socket:
            assert await received_close(socket) == 4000
        assert await script.line() == "nil\t4000\twhy"


async def test_an_error_of_the_handler_closes_with_1011(script: Script, web: aiohttp.ClientSession) -> None:
    async with script.serving(endpoint("error('boom')")) as url, web.ws_connect(f"{url}/ws") as socket:
        assert await received_close(socket) == 1011


async def test_messages_before_a_broken_connection_are_received(
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


async def test_a_message_longer_than_max_message_closes_with_1009(script: Script, web: aiohttp.ClientSession) -> None:
    routes = """{ GET = { ["/ws"] = function() return { ws = function(conn)
      local ok, problem = pcall(conn.recv, conn)
      print(problem.kind, problem.code)
    end } end } }"""
    async with script.serving(routes, "max_message = 100") as url, web.ws_connect(f"{url}/ws") as socket:
        await socket.send_str("x" * 101)
        assert await script.line() == "protocol\t1009"
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)
