"""A proxy that terminates TLS in front of a server, as a load balancer would, and keeps the received bytes."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType

import trustme


class Authority:
    """A certificate authority with its files in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.file = folder / f"{name}.pem"
        self.ca.cert_pem.write_to_path(str(self.file))

    def client(self, name: str, not_after: datetime | None = None) -> tuple[Path, Path]:
        """A client's certificate and its key."""
        issued = self.ca.issue_cert(f"{name}@test.example", not_after=not_after)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key


class TlsProxy:
    """Forwards TLS connections from a free port to `target`, in a background thread.

    `wants` is the authority of the client certificates that it requires, `not_after` the expiry of the server
    certificate. `received` contains the decrypted bytes of each connection.
    """

    def __init__(
        self,
        target: str,
        authority: Authority,
        *names: str,
        wants: Authority | None = None,
        not_after: datetime | None = None,
    ) -> None:
        self._target = target
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.ca.issue_cert(*names, not_after=not_after).configure_cert(self._context)
        self._context.set_alpn_protocols(["h2"])
        if wants is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            wants.ca.configure_trust(self._context)
        self.received: list[bytearray] = []
        self.address = ""
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._main, daemon=True)

    def __enter__(self) -> TlsProxy:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _main(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._loop.set_exception_handler(lambda loop, context: None)  # refused handshakes are expected
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._context)
        host, port = server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = bytearray()
        self.received.append(seen)
        host, _, port = self._target.rpartition(":")
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_copy(reader, inner_writer, seen), _copy(inner_reader, writer, bytearray()))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray) -> None:
    try:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                seen += data
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()


_CODES = {letter: f"{number:05b}" for number, letter in enumerate("012aceiost")}
_CODES |= {"B": "1011101", "r": "101100", " ": "010100", "-": "010110"}


def in_header(text: str) -> bytes:
    """The Huffman code of a string in an HTTP/2 header (RFC 7541, appendix B), for the letters in `_CODES`."""
    bits = "".join(_CODES[letter] for letter in text)
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
