"""WebSocket peers that send and receive raw frames."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from timeouts import TIMEOUT

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x01\x02\x03\x04"

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FIN, RSV1, RSV2 = 0x80, 0x40, 0x20


def frame(first: int, payload: bytes = b"", *, masked: bool, length: bytes | None = None) -> bytes:
    """A frame; `length` is its encoded length, by default in the shortest form."""
    if length is None:
        size = len(payload)
        length = (
            bytes([size])
            if size < 126
            else b"\x7e" + size.to_bytes(2)
            if size < 1 << 16
            else b"\x7f" + size.to_bytes(8)
        )
    head = bytes([first, length[0] | (0x80 if masked else 0)]) + length[1:]
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))


def close(code: int, reason: bytes = b"") -> bytes:
    """The payload of a close frame."""
    return code.to_bytes(2) + reason


def deflated(text: bytes) -> bytes:
    """A message compressed with permessage-deflate."""
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def accepting(key: str) -> str:
    """The Sec-WebSocket-Accept header for a key."""
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


class End:
    """One end of a WebSocket connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.head = b""

    async def receive(self) -> tuple[int, bytes]:
        """The first byte and the payload of a frame; (0, b"") at the end of the connection."""
        async with asyncio.timeout(TIMEOUT):
            try:
                first, second = await self.reader.readexactly(2)
                size = second & 0x7F
                if size > 125:
                    size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
                mask = await self.reader.readexactly(4) if second & 0x80 else bytes(4)
                payload = await self.reader.readexactly(size)
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0, b""
        return first, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))

    async def closed_with(self) -> bytes | None:
        """The payload of the next close frame, skipping other frames; None when the connection ends without one."""
        while True:
            first, payload = await self.receive()
            if first == 0:
                return None
            if first & 0xF == CLOSE:
                return payload


@asynccontextmanager
async def client(url: str, *headers: str) -> AsyncIterator[End]:
    """Connect a raw client to a server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    lines = [
        "GET /ws HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
        *headers,
    ]
    end = End(reader, writer)
    try:
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        end.head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT)
        yield end
    finally:
        writer.close()


@asynccontextmanager
async def server(
    frames: bytes, *headers: str, connection: str = "Upgrade"
) -> AsyncIterator[tuple[str, asyncio.Future[End]]]:
    """A raw server that accepts one client and immediately sends frames; yields its URL and a future of its end."""
    accepted: asyncio.Future[End] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(
            line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key")
        )
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            f"Connection: {connection}",
            f"Sec-WebSocket-Accept: {accepting(key)}",
            *headers,
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + frames)
        end = End(reader, writer)
        end.head = head.encode()
        accepted.set_result(end)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}/", accepted
    finally:
        listener.close()
        if accepted.done():
            accepted.result().writer.close()
