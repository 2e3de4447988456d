"""Connections of `http.serve`: when they are kept, clients that half-close, several requests at once."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from timeouts import TIMEOUT
from web_peers import Script, raw, say

# Kept connections -----------------------------------------------------------------------------------------------


CLOSING = """{ GET = {
  ["/"] = function() return { body = "x" } end,
  ["/last"] = function() return { body = "x", headers = { Connection = "close" } } end,
} }"""


@pytest.mark.parametrize(
    ("request_text", "version", "headers"),
    [
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1", [b"Connection: close"]),
        ("GET /last HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1", [b"Connection: close"]),
        ("GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0", []),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
            b"HTTP/1.0",
            [b"Connection: keep-alive"],
        ),
    ],
    ids=["client closes", "handler closes", "HTTP/1.0", "HTTP/1.0 keep-alive"],
)
async def test_when_a_connection_is_closed(
    script: Script, request_text: str, version: bytes, headers: list[bytes]
) -> None:
    async with script.serving(CLOSING) as url:
        received = await raw(url, request_text.encode())  # reads up to the end of the connection
    assert received.startswith(version + b" 200 OK\r\n")
    assert [line for line in received.split(b"\r\n") if line.startswith(b"Connection")] == headers


SPEAKING = """{
  GET = {
    ["/x"] = function(req) return { body = "x" } end,
    ["/slow"] = function() sleep(0.1) return { body = "slow" } end,
    ["/long"] = function() print("in") print(pcall(sleep, 1000)) end,
    ["/events"] = function()
      return { sse = function(send) send{ data = "one" } sleep(0.1) send{ data = "two" } end }
    end,
  },
  POST = { ["/length"] = function(req) return { body = tostring(#req.body) } end },
}"""


def statuses(answers: bytes) -> list[int]:
    """Return the status of each response."""
    return [int(line.split()[1]) for line in answers.split(b"\r\n") if b"HTTP/1." in line]


HEAD = " HTTP/1.1\r\nHost: x\r\n"


# Clients that half-close ----------------------------------------------------------------------------------------


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
async def test_a_client_that_half_closes_is_answered(script: Script, said: str, body: bytes) -> None:
    async with script.serving(SPEAKING) as url:
        answer = await say(url, said.encode())
    assert set(statuses(answer)) == {200}
    assert len(statuses(answer)) == said.count("HTTP/1.")
    assert answer.endswith(body)


@pytest.mark.parametrize(
    "request_text",
    [f"GET /x{HEAD}\r\n", f"POST /length{HEAD}Content-Length: 3\r\n\r\nabc"],
    ids=["GET", "POST"],
)
async def test_many_requests_of_a_client_that_half_closes_are_answered(script: Script, request_text: str) -> None:
    async with script.serving(SPEAKING) as url:
        assert statuses(await say(url, request_text.encode() * 200)) == [200] * 200


async def test_requests_before_a_malformed_one_are_answered(script: Script) -> None:
    async with script.serving(SPEAKING) as url:
        answers = await say(url, f"GET /x{HEAD}\r\n".encode() * 200 + b"GARBAGE\r\n\r\n")
    assert statuses(answers) == [200] * 200 + [400]


async def test_a_long_body_of_a_client_that_half_closes_is_received(script: Script) -> None:
    body = b"\r\n\r\n" * 500_000
    async with script.serving(SPEAKING, "half_close_timeout = math.huge") as url:
        answer = await say(url, f"POST /length{HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert answer.endswith(b"\r\n\r\n2000000")


async def test_half_close_timeout_cancels_a_handler(script: Script) -> None:
    async with script.serving(SPEAKING, "half_close_timeout = 0.1") as url:
        assert await say(url, f"GET /long{HEAD}\r\n".encode()) == b""
        assert await script.line() == "in"
        assert await script.line() == "false\tcancelled"


async def test_half_close_timeout_begins_anew_when_something_is_sent(script: Script) -> None:
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
async def test_a_client_that_half_closes_within_a_request(script: Script, said: str, answers: list[int]) -> None:
    async with script.serving(SPEAKING) as url:
        assert statuses(await say(url, said.encode())) == answers


# Several requests at once ---------------------------------------------------------------------------------------


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
async def test_a_malformed_request_does_not_affect_those_before_it(
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
            found = await asyncio.wait_for(reader.read(), TIMEOUT)
            writer.close()
    assert statuses(found) == answers
    assert b"HTTP/2" not in found


# Broken connections ---------------------------------------------------------------------------------------------


async def test_a_connection_that_is_reset_cancels_its_handler_at_once(script: Script) -> None:
    async with script.serving(SPEAKING, "half_close_timeout = math.huge") as url:
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as client:
            client.sendall(f"GET /long{HEAD}\r\n".encode())
            assert await script.line() == "in"
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert await script.line() == "false\tcancelled"
