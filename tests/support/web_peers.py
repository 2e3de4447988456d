"""Scripts on the event loop of the test, and peers for them."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import aiohttp.web
import pytest

from assay.errors import LuaError
from assay.libraries import LIBRARIES
from assay.lua.host import Host
from assay.lua.loader import Finder
from timeouts import TIMEOUT


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(TIMEOUT):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def break_off(end: aiohttp.ClientWebSocketResponse | aiohttp.web.WebSocketResponse) -> None:
    """Close a WebSocket's connection without a closing handshake."""
    descriptor = end.get_extra_info("socket").fileno()
    with socket.socket(fileno=os.dup(descriptor)) as other:
        other.shutdown(socket.SHUT_RDWR)


class Script:
    """A host whose scripts run on the event loop of the test; their output is queued as lines."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.host = Host(LIBRARIES, Finder("."), lambda text: self.lines.put_nowait(text.decode().rstrip("\n")))

    async def run(self, code: str, *arguments: Any) -> Any:
        """Run a chunk; return its first result."""
        return await self.host.run(self.host.load(code.encode(), "test.lua"), arguments)

    async def line(self) -> str:
        """Wait for the next line that a script prints."""
        return await asyncio.wait_for(self.lines.get(), TIMEOUT)

    @asynccontextmanager
    async def serving(self, routes: str, options: str = "") -> AsyncIterator[str]:
        """Serve `routes`, the text of a Lua table; yields the URL of the server."""
        code = f"http.serve(0, {routes}, {{ on_listen = function(port) print(port) end, {options} }})"
        task = asyncio.ensure_future(self.run(code))
        try:
            listening = asyncio.ensure_future(self.line())
            await asyncio.wait([task, listening], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                listening.cancel()
                task.result()
            yield f"http://127.0.0.1:{listening.result()}"
        finally:
            task.cancel()
            await asyncio.wait([task])


P = TypeVar("P", bound="Peer")


class Peer:
    """A server that records the bytes of requests, and sends `answers` one after another.

    It closes the connection after an answer that is a function, unless the function returns true.
    """

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self.connections = 0
        self.ended = asyncio.Event()
        self.answers: list[bytes | Awaitable[None] | Callable[[asyncio.StreamWriter], Awaitable[bool | None]]] = []
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
                self.requests.append(head + await reader.readexactly(length))
                self.asked.set()
                answer = self.answers.pop(0) if self.answers else answer_of()
                if callable(answer):
                    if await answer(writer):
                        continue
                    return
                if not isinstance(answer, bytes):
                    await answer
                    return
                writer.write(answer)
                await writer.drain()
                if b"connection: close" in answer.lower():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended.set()
        finally:
            writer.close()

    def headers(self, index: int = -1) -> list[str]:
        """Return the header lines of a request, with names in lower case."""
        lines = self.requests[index].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return [name.lower() + ":" + value for name, _, value in (line.partition(":") for line in lines)]

    def body(self, index: int = -1) -> bytes:
        """Return the body of a request."""
        return self.requests[index].partition(b"\r\n\r\n")[2]


async def close_silently(writer: asyncio.StreamWriter) -> None:
    """Send no response: the peer closes the connection."""


def answer_of(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """Return the bytes of a response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def listening(peer: P, context: ssl.SSLContext | None = None) -> AsyncIterator[P]:
    """Let a peer listen; `url` is set."""
    server = await asyncio.start_server(peer.handle, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    peer.url = f"{'https' if context else 'http'}://127.0.0.1:{port}"
    yield peer
    server.close()


async def failure(script: Script, call: str, *arguments: Any) -> tuple[str, str]:
    """Return kind and message of the error that a call raises."""
    with pytest.raises(LuaError) as caught:
        await script.run(call, *arguments)
    return caught.value.value["kind"], caught.value.message


@asynccontextmanager
async def connected(url: str, request: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """Open a connection and send a request; yields the receiving side."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        writer.write(request)
        async with asyncio.timeout(TIMEOUT):
            yield reader
    finally:
        writer.close()


async def say(url: str, said: bytes, *, end: bool = True) -> bytes:
    """Send bytes and, if `end`, close the sending half of the connection; return everything that is received."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        writer.write(said)
        if end:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), TIMEOUT)
    finally:
        writer.close()


async def raw(url: str, request: bytes) -> bytes:
    """Send a request; return what the server sends until it closes the connection."""
    async with connected(url, request) as reader:
        return await reader.read()
