"""WebSockets against peers that break the protocol, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import WebSocketError
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.base_protocol import BaseProtocol

from assay.builtins.websocket.frames import FrameGuard
from raw_frames import BINARY, CLOSE, FIN, PING, PONG, RSV1, RSV2, TEXT, client, close, deflated, frame, server
from timeouts import TIMEOUT
from web_peers import Script, connected, failure

ROUTES = r"""{ GET = { ["/ws"] = function() return {
  headers = { ["Sec-WebSocket-Protocol"] = "chat" },
  ws = function(conn)
    while true do
      local ok, message, kind = pcall(conn.recv, conn)
      if not ok then print(message.kind, message.code) return end
      if message == nil then print("end", conn:recv()) return end
      conn:send(message, { binary = kind == "binary" })
    end
  end,
} end } }"""

Frames = Callable[[bool], bytes]
"""Makes frames, masked or not."""

BROKEN: list[tuple[str, Frames, int]] = [
    ("the other kind of mask", lambda masked: frame(FIN | TEXT, b"x", masked=not masked), 1002),
    ("no mask in the second frame", lambda m: frame(TEXT, b"x", masked=m) + frame(FIN, b"y", masked=not m), 1002),
    ("no mask in a ping", lambda m: frame(FIN | PING, b"x", masked=not m), 1002),
    ("no mask in a close", lambda m: frame(FIN | CLOSE, close(1000), masked=not m), 1002),
    ("reserved bit 1", lambda m: frame(FIN | RSV1 | TEXT, b"x", masked=m), 1002),
    ("reserved bit 2", lambda m: frame(FIN | RSV2 | TEXT, b"x", masked=m), 1002),
    ("reserved bit 1 in a ping", lambda m: frame(FIN | RSV1 | PING, b"x", masked=m), 1002),
    ("reserved bit 1 in a close", lambda m: frame(FIN | RSV1 | CLOSE, close(1000), masked=m), 1002),
    ("reserved bit 2 in a pong", lambda m: frame(FIN | RSV2 | PONG, b"x", masked=m), 1002),
    ("an unknown opcode", lambda m: frame(FIN | 3, b"x", masked=m), 1002),
    ("an unknown control opcode", lambda m: frame(FIN | 11, b"x", masked=m), 1002),
    ("a ping in parts", lambda m: frame(PING, b"x", masked=m), 1002),
    ("a long ping", lambda m: frame(FIN | PING, b"x" * 126, masked=m), 1002),
    ("a continuation of nothing", lambda m: frame(FIN, b"x", masked=m), 1002),
    ("a message in another", lambda m: frame(TEXT, b"x", masked=m) + frame(FIN | TEXT, b"y", masked=m), 1002),
    ("a message in an empty one", lambda m: frame(TEXT, b"", masked=m) + frame(FIN | TEXT, b"y", masked=m), 1002),
    ("a long form of a length", lambda m: frame(FIN | TEXT, b"x", masked=m, length=b"\x7e\0\1"), 1002),
    ("a longer form of a length", lambda m: frame(FIN | TEXT, b"x", masked=m, length=b"\x7f" + bytes(7) + b"\1"), 1002),
    ("text that is not UTF-8", lambda m: frame(FIN | TEXT, b"\xff", masked=m), 1007),
    ("half a character", lambda m: frame(TEXT, b"\xc3", masked=m) + frame(FIN, b"x", masked=m), 1007),
    ("a reason that is not UTF-8", lambda m: frame(FIN | CLOSE, close(1000, b"\xff"), masked=m), 1007),
    ("half a close code", lambda m: frame(FIN | CLOSE, b"\x03", masked=m), 1002),
    ("too long a message", lambda m: frame(FIN | TEXT, b"x" * 101, masked=m), 1009),
    ("too long a message in parts", lambda m: frame(TEXT, b"x" * 60, masked=m) + frame(FIN, b"x" * 60, masked=m), 1009),
    *(
        (f"close code {code}", lambda m, code=code: frame(FIN | CLOSE, close(code), masked=m), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    ),
]
NAMES = [name for name, _, _ in BROKEN]


@pytest.mark.parametrize(("name", "frames", "code"), BROKEN, ids=NAMES)
async def test_a_server_refuses_frames_against_the_protocol(
    script: Script, name: str, frames: Frames, code: int
) -> None:
    async with script.serving(ROUTES, "max_message = 100") as url, client(url) as end:
        end.writer.write(frame(FIN | TEXT, b"before", masked=True) + frames(True))
        assert await end.receive() == (FIN | TEXT, b"before")
        assert (await end.closed_with() or b"")[:2] == code.to_bytes(2)
        assert await script.line() == f"protocol\t{code}"
        assert await end.receive() == (0, b"")


@pytest.mark.parametrize(("name", "frames", "code"), BROKEN, ids=NAMES)
async def test_frames_that_arrive_byte_by_byte(name: str, frames: Frames, code: int) -> None:
    loop = asyncio.get_running_loop()
    queue = WebSocketDataQueue(BaseProtocol(loop), 1 << 16, loop=loop)
    guard = FrameGuard(WebSocketReader(queue, 101, compress=False, decode_text=True), queue, masked=True)
    for byte in frame(FIN | TEXT, b"before", masked=True) + frames(True):
        guard.feed_data(bytes([byte]))
    assert (await queue.read()).data == "before"
    with pytest.raises(WebSocketError) as caught:
        await queue.read()
    assert caught.value.code == code


@pytest.mark.parametrize(("name", "frames", "code"), BROKEN, ids=NAMES)
async def test_a_client_refuses_frames_against_the_protocol(
    script: Script, name: str, frames: Frames, code: int
) -> None:
    async with server(frame(FIN | TEXT, b"before", masked=False) + frames(False)) as (url, accepted):
        found = await script.run(
            """local c = ws.connect(..., { max_message = 100 })
            local before = c:recv()
            local ok, problem = pcall(c.recv, c)
            return { before, ok, problem.kind, problem.code }""",
            url,
        )
        assert found == ["before", False, "protocol", code]
        assert (await accepted.result().closed_with() or b"")[:2] == code.to_bytes(2)


@pytest.mark.parametrize("step", [1 << 20, 1], ids=["at once", "byte by byte"])
@pytest.mark.parametrize(
    ("frames", "answers"),
    [
        (frame(FIN | TEXT, b"", masked=True), [(FIN | TEXT, b"")]),
        (frame(FIN | BINARY, bytes(range(256)), masked=True), [(FIN | BINARY, bytes(range(256)))]),
        (frame(FIN | TEXT, b"x" * 70_000, masked=True), [(FIN | TEXT, b"x" * 70_000)]),
        (
            frame(TEXT, b"a", masked=True) + frame(FIN | PING, b"p", masked=True) + frame(FIN, b"b", masked=True),
            [(FIN | PONG, b"p"), (FIN | TEXT, b"ab")],
        ),
        (
            frame(TEXT, masked=True) + frame(0, b"\xc3", masked=True) + frame(FIN, b"\xa9", masked=True),
            [(FIN | TEXT, "é".encode())],
        ),
        (frame(FIN | PONG, b"x", masked=True) + frame(FIN | TEXT, b"y", masked=True), [(FIN | TEXT, b"y")]),
        (frame(FIN | PING, b"x" * 125, masked=True), [(FIN | PONG, b"x" * 125)]),
    ],
)
async def test_frames_by_the_protocol(
    script: Script, frames: bytes, answers: list[tuple[int, bytes]], step: int
) -> None:
    async with script.serving(ROUTES) as url, client(url) as end:
        for at in range(0, len(frames), step):
            end.writer.write(frames[at : at + step])
            if step == 1 and at < 1000:
                await asyncio.sleep(0)
        for answer in answers:
            assert await end.receive() == answer


async def test_frames_that_come_with_the_handshake(script: Script) -> None:
    lines = [f"{name}: {value}" for name, value in GOOD.items()]
    head = ("\r\n".join(["GET /ws HTTP/1.1", *lines]) + "\r\n\r\n").encode()
    frames = frame(FIN | TEXT, b"early", masked=True) + frame(FIN | CLOSE, close(3000), masked=True)
    async with script.serving(ROUTES) as url, connected(url, head + frames) as reader:
        answer = await asyncio.wait_for(reader.read(), TIMEOUT)
    expected = frame(FIN | TEXT, b"early", masked=False) + frame(FIN | CLOSE, close(3000), masked=False)
    assert answer.partition(b"\r\n\r\n")[2] == expected


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999])
async def test_a_close_is_answered_with_its_code(script: Script, code: int) -> None:
    async with script.serving(ROUTES) as url, client(url) as end:
        end.writer.write(frame(FIN | CLOSE, close(code, b"why"), masked=True))
        assert (await end.closed_with() or b"")[:2] == code.to_bytes(2)
        assert await script.line() == f"end\tnil\t{code}\twhy"
        assert await end.receive() == (0, b"")
    async with server(frame(FIN | CLOSE, close(code, b"why"), masked=False)) as (address, accepted):
        assert await script.run("return { select(2, ws.connect(...):recv()) }", address) == [code, "why"]
        assert (await accepted.result().closed_with() or b"")[:2] == code.to_bytes(2)


async def test_a_close_without_a_code(script: Script) -> None:
    async with script.serving(ROUTES) as url, client(url) as end:
        end.writer.write(frame(FIN | CLOSE, masked=True))
        assert await end.closed_with() in (b"", close(1000))
        assert await script.line() == "end\tnil\t1005\t"


async def test_the_longest_message_that_is_allowed(script: Script) -> None:
    async with script.serving(ROUTES, "max_message = 100") as url, client(url) as end:
        end.writer.write(frame(FIN | TEXT, b"x" * 100, masked=True))
        assert await end.receive() == (FIN | TEXT, b"x" * 100)
    async with server(frame(FIN | TEXT, b"x" * 100, masked=False)) as (address, _):
        assert await script.run("return #ws.connect(..., { max_message = 100 }):recv()", address) == 100


@pytest.mark.parametrize(
    ("payload", "answer"),
    [(deflated(b"hello"), b"hello"), (b"\xff" * 10, 1007), (deflated(b"\xff"), 1007), (deflated(b"x" * 102), 1009)],
    ids=["whole", "broken", "not UTF-8", "too long"],
)
async def test_compressed_messages(script: Script, payload: bytes, answer: bytes | int) -> None:
    extension = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"
    async with script.serving(ROUTES, "max_message = 100") as url, client(url, extension) as end:
        assert b"permessage-deflate" in end.head
        end.writer.write(frame(FIN | RSV1 | TEXT, payload, masked=True))
        if isinstance(answer, int):
            assert (await end.closed_with() or b"")[:2] == answer.to_bytes(2)
            assert await script.line() == f"protocol\t{answer}"
        else:
            assert await end.receive() == (FIN | RSV1 | TEXT, deflated(answer))


# The handshake --------------------------------------------------------------------------------------------------

GOOD = {
    "Host": "x",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, 101),
        ({"Upgrade": "WebSocket"}, 101),
        ({"Connection": "keep-alive, Upgrade"}, 101),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Version": "14"}, 426),
        ({"Sec-WebSocket-Version": ""}, 426),
        ({"Sec-WebSocket-Version": None}, 426),
        ({"Upgrade": None}, 426),
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Sec-WebSocket-Key": None}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ"}, 400),
        ({"Sec-WebSocket-Key": "dGhlIHNhbXBs?SBub25jZQ=="}, 400),
    ],
)
async def test_a_handshake(script: Script, changed: dict[str, str | None], status: int) -> None:
    lines = [f"{name}: {value}" for name, value in (GOOD | changed).items() if value is not None]
    async with (
        script.serving(ROUTES) as url,
        connected(url, ("\r\n".join(["GET /ws HTTP/1.1", *lines]) + "\r\n\r\n").encode()) as reader,
    ):
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT)).decode()
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert ("Sec-WebSocket-Version: 13\r\n" in head) is (status == 426)
    assert ("Upgrade: websocket\r\n" in head) is (status in (101, 426))


@pytest.mark.parametrize(("offered", "chosen"), [("other, chat", "chat"), ("other", None), (None, None)])
async def test_a_server_takes_a_subprotocol_only_when_it_is_offered(
    script: Script, offered: str | None, chosen: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    headers = [] if offered is None else [f"Sec-WebSocket-Protocol: {offered}"]
    async with script.serving(ROUTES) as url, client(url, *headers) as end:
        found = [line for line in end.head.decode().split("\r\n") if line.lower().startswith("sec-websocket-protocol")]
    assert found == ([] if chosen is None else [f"Sec-WebSocket-Protocol: {chosen}"])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("connection", ["upgrade", "keep-alive, Upgrade", "Upgrade,foo"])
async def test_a_server_may_say_more_of_the_connection(script: Script, connection: str) -> None:
    async with server(frame(FIN | TEXT, b"x", masked=False), connection=connection) as (url, _):
        assert await script.run("return (ws.connect(...):recv())", url) == "x"


async def test_a_server_that_upgrades_to_nothing(script: Script) -> None:
    async with server(b"", connection="keep-alive") as (url, _):
        kind, message = await failure(script, "ws.connect(...)", url)
    assert (kind, message) == (
        "handshake",
        f"ws.connect failed: invalid handshake response from {url[5:-1]} (status 101)",
    )


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("Sec-WebSocket-Protocol: other", "chose the subprotocol 'other', which was not offered"),
        ("Sec-WebSocket-Protocol: chat, more", "chose the subprotocol 'chat, more', which was not offered"),
        (
            "Sec-WebSocket-Extensions: permessage-deflate",
            "chose the extension 'permessage-deflate', which was not offered",
        ),
    ],
)
async def test_a_client_refuses_what_it_has_not_offered(script: Script, header: str, problem: str) -> None:
    async with server(b"", header) as (url, accepted):
        found = await failure(script, "ws.connect(..., { protocols = { 'chat' } })", url)
        assert found == ("handshake", f"ws.connect failed: {url[5:-1]} {problem}")
        assert await accepted.result().receive() == (0, b"")
