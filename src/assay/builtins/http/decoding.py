"""Content encodings of answers, undone piece by piece: no small answer becomes a large piece of memory at once."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

PIECE = 1 << 18
MAX_ENCODINGS = 5
"""How many encodings an answer may have one over the other; as many as curl takes."""


class DecodingError(Exception):
    """A body that is not as its encoding says."""


class IncompleteError(Exception):
    """A body that breaks off."""


class Decoder(Protocol):
    """Undoes one encoding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` becomes, in pieces of a bounded size."""

    def finish(self) -> None:
        """Raise IncompleteError when something has been fed and its end is missing."""


class _Zlib:
    """gzip, of one member or several, and deflate, with zlib's header or without."""

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
                yield from self._pieces(data)
            except zlib.error as error:
                raise DecodingError(str(error)) from None
            data = self._stream.unused_data

    def _begin(self, data: bytes) -> bytes:
        """Begin the stream, or one that follows another; returns what is left to feed."""
        if self._stream is not None:
            data = data.lstrip(b"\0")
            if not self._gzip or (data and data[0] != 0x1F):
                self._surplus = True  # what else is behind a stream is left out, as gzip does
            if self._surplus or not data:
                return b""
        if self._gzip:
            self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        else:  # deflate should have zlib's header, and often has none
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if data[0] & 0xF == 8 else -zlib.MAX_WBITS)
        return data

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        stream = self._stream
        while not stream.eof and (piece := stream.decompress(data, PIECE)):
            yield piece
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
                piece = self._stream.process(data, output_buffer_limit=PIECE)
            except self._error as error:
                raise DecodingError(str(error)) from None
            data = b""
            if piece:
                yield piece
            elif self._stream.can_accept_more_data():
                return

    def finish(self) -> None:
        if self._begun and not self._stream.is_finished():
            raise IncompleteError


class _Zstd:
    """zstd, of one frame or several."""

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
                piece = self._stream.decompress(data, PIECE)
            except self._error as error:
                raise DecodingError(str(error)) from None
            if piece:
                yield piece
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
    """Return what undoes a Content-Encoding, the outermost first; None when one of its encodings is unknown.

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
    """Feed a piece of a body through decoders."""
    if not chain:
        yield data
        return
    for piece in chain[0].feed(data):
        yield from decode(chain[1:], piece)
