"""Incremental decoders for content encodings.

They emit bounded chunks, so that a small compressed body cannot exhaust memory.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

CHUNK_SIZE = 1 << 18
MAX_ENCODINGS = 5
"""Maximum number of encodings applied to one response; the limit of curl."""


class DecodingError(Exception):
    """A body is not valid in its content encoding."""


class IncompleteError(Exception):
    """A body ends before its encoded stream does."""


class Decoder(Protocol):
    """Decoder of one content encoding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode `data`; yield the output in chunks of bounded size. Raises DecodingError."""

    def finish(self) -> None:
        """Raise IncompleteError if the data fed so far ends within a stream."""


class _Zlib:
    """gzip with one or more members, and deflate with or without zlib's header."""

    def __init__(self, gzip: bool) -> None:
        self._gzip = gzip
        self._stream: Any = None
        self._surplus = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data and not self._surplus:
            if self._stream is None or self._stream.eof:
                data = self._begin(data)
                continue
            try:
                yield from self._decompress(data)
            except zlib.error as error:
                raise DecodingError(str(error)) from None
            data = self._stream.unused_data

    def _begin(self, data: bytes) -> bytes:
        """Begin the first or the next stream; return the data to feed to it."""
        if self._stream is not None:
            data = data.lstrip(b"\0")
            if not self._gzip or (data and data[0] != 0x1F):
                self._surplus = True  # ignore data after the last member, as gzip does
            if self._surplus or not data:
                return b""
        if self._gzip:
            self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        else:  # deflate should have zlib's header, but some servers omit it
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if data[0] & 0xF == 8 else -zlib.MAX_WBITS)
        return data

    def _decompress(self, data: bytes) -> Iterator[bytes]:
        stream = self._stream
        while not stream.eof and (chunk := stream.decompress(data, CHUNK_SIZE)):
            yield chunk
            data = stream.unconsumed_tail

    def finish(self) -> None:
        if self._stream is not None and not self._stream.eof:
            raise IncompleteError


class _Brotli:
    def __init__(self) -> None:
        import brotli

        self._error: type[Exception] = brotli.error
        self._stream: Any = brotli.Decompressor()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._begun = self._begun or bool(data)
        while not self._stream.is_finished():
            try:
                chunk = self._stream.process(data, output_buffer_limit=CHUNK_SIZE)
            except self._error as error:
                raise DecodingError(str(error)) from None
            data = b""
            if chunk:
                yield chunk
            elif self._stream.can_accept_more_data():
                return

    def finish(self) -> None:
        if self._begun and not self._stream.is_finished():
            raise IncompleteError


class _Zstd:
    """zstd with one or more frames."""

    def __init__(self) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd

        self._make = zstd.ZstdDecompressor
        self._error = zstd.ZstdError
        self._stream = self._make()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data or not self._stream.needs_input:
            if self._stream.eof:
                data = self._stream.unused_data or data
                if not data:
                    return
                self._stream = self._make()
            self._begun = True
            try:
                chunk = self._stream.decompress(data, CHUNK_SIZE)
            except self._error as error:
                raise DecodingError(str(error)) from None
            if chunk:
                yield chunk
            data = self._stream.unused_data if self._stream.eof else b""

    def finish(self) -> None:
        if self._begun and not self._stream.eof:
            raise IncompleteError


_MAKERS: dict[str, Any] = {
    "gzip": lambda: _Zlib(gzip=True),
    "x-gzip": lambda: _Zlib(gzip=True),
    "deflate": lambda: _Zlib(gzip=False),
    "br": _Brotli,
    "zstd": _Zstd,
}


def decoders(header: str) -> list[Decoder] | None:
    """Return the decoders for a Content-Encoding header, outermost first; None if one of the encodings is unknown.

    Raises DecodingError for more than MAX_ENCODINGS.

    Args:
        header: The header's value, such as "gzip" or "deflate, gzip".
    """
    names = [name for part in header.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if any(name not in _MAKERS for name in names):
        return None
    if len(names) > MAX_ENCODINGS:
        raise DecodingError(f"more than {MAX_ENCODINGS} encodings")
    return [_MAKERS[name]() for name in reversed(names)]


def decode(chain: list[Decoder], data: bytes) -> Iterator[bytes]:
    """Feed a chunk of a body through a chain of decoders."""
    if not chain:
        yield data
        return
    for chunk in chain[0].feed(data):
        yield from decode(chain[1:], chunk)
