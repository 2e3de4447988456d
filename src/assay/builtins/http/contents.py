"""The body of an answer: into memory, or into a file."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from typing import IO, Any, TypeVar

import aiohttp
from aiohttp import hdrs

from assay.builtins.http import decoding
from assay.errors import BuiltinError
from assay.permissions import Permissions, paths

T = TypeVar("T")

MAX_BODY = 100 * 1024 * 1024
"""Bytes that a body in memory may have unless the caller says otherwise."""

_PIECE = 1 << 20
"""Bytes that are written to a file at once."""


class TooLongError(Exception):
    """A body of more bytes than the caller allows."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit


class Content:
    """The body of an answer, without its content encodings.

    Attributes:
        decoded: Whether the body had encodings that are undone.
    """

    def __init__(self, response: aiohttp.ClientResponse, limit: float | None) -> None:
        """Prepare to read it.

        Args:
            response: The answer.
            limit: Bytes that the body may have, None for no limit.
        """
        self._response = response
        self._limit = limit
        encodings = response.headers.getall(hdrs.CONTENT_ENCODING, None)
        self._decoders = (encodings and decoding.decoders(",".join(encodings))) or []
        self.decoded = bool(self._decoders)

    async def read(self) -> bytes:
        """Return all of it."""
        length = self._response.content_length
        if length is not None and not self.decoded and (self._limit is None or length <= self._limit):
            return await self._response.content.read()
        return b"".join([piece async for piece in self._pieces()])

    async def save(self, path: bytes, permissions: Permissions) -> int:
        """Write it to a file, which appears when it is complete; returns its length. Raises DeniedError."""
        path = permissions.path("write", path, link=True)  # once more: other tasks ran since the request was sent
        partial = b"%b.%b.part" % (path, secrets.token_hex(4).encode())
        file = await _in_thread(path, _create, partial, path)
        length = 0
        try:
            with file:
                pending = bytearray()
                async for piece in self._pieces():
                    pending += piece
                    if len(pending) >= _PIECE:
                        length += await _in_thread(path, file.write, pending)
                        pending = bytearray()
                length += await _in_thread(path, file.write, pending)
            await _in_thread(path, os.replace, partial, path)
        except BaseException:
            os.unlink(partial)
            raise
        return length

    async def _pieces(self) -> AsyncIterator[bytes]:
        limit, length = self._limit, 0
        async for chunk in self._response.content.iter_any():
            for piece in decoding.decode(self._decoders, chunk):
                length += len(piece)
                if limit is not None and length > limit:
                    raise TooLongError(limit)
                yield piece
        for decoder in self._decoders:
            decoder.finish()


def _create(partial: bytes, path: bytes) -> IO[bytes]:
    os.makedirs(os.path.dirname(path) or b".", exist_ok=True)
    is_checked = isinstance(path, paths.RealPath)
    return paths.open(paths.RealPath(partial, partial) if is_checked else partial, "xb", buffering=0)


async def _in_thread(path: bytes, function: Callable[..., T], *arguments: Any) -> T:
    try:
        return await asyncio.to_thread(function, *arguments)
    except OSError as error:
        raise BuiltinError(f"{os.fsdecode(paths.given(path))}: {error.strerror}") from None
