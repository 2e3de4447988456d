"""Reads the body of a response into memory or into a file."""

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
"""Default maximum size of a body in memory, in bytes."""

_WRITE_SIZE = 1 << 20
"""Minimum size of a write to a file, in bytes."""


class BodyTooLargeError(Exception):
    """A body exceeds the caller's limit."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit


class ResponseBody:
    """The decoded body of a response.

    Attributes:
        decoded: True if the body has content encodings that are decoded here.
    """

    def __init__(self, response: aiohttp.ClientResponse, limit: float | None) -> None:
        """Prepare to read a body.

        Args:
            response: The response.
            limit: Maximum size of the decoded body in bytes, or None for no limit.
        """
        self._response = response
        self._limit = limit
        encodings = response.headers.getall(hdrs.CONTENT_ENCODING, None)
        self._decoders = (encodings and decoding.decoders(",".join(encodings))) or []
        self.decoded = bool(self._decoders)

    async def read(self) -> bytes:
        """Return the whole body. Raises BodyTooLargeError, DecodingError or IncompleteError."""
        length = self._response.content_length
        if length is not None and not self.decoded and (self._limit is None or length <= self._limit):
            return await self._response.content.read()
        return b"".join([chunk async for chunk in self._chunks()])

    async def save(self, path: bytes, permissions: Permissions) -> int:
        """Write the body to a file, which appears when it is complete; return its length.

        Raises DeniedError, and the exceptions of `read`.
        """
        path = permissions.path("write", path, link=True)  # again: links may have changed since the request was sent
        partial = b"%b.%b.part" % (path, secrets.token_hex(4).encode())
        file = await _in_thread(path, _create, partial, path)
        length = 0
        try:
            with file:
                pending = bytearray()
                async for chunk in self._chunks():
                    pending += chunk
                    if len(pending) >= _WRITE_SIZE:
                        length += await _in_thread(path, file.write, pending)
                        pending = bytearray()
                length += await _in_thread(path, file.write, pending)
            await _in_thread(path, os.replace, partial, path)
        except BaseException:
            os.unlink(partial)
            raise
        return length

    async def _chunks(self) -> AsyncIterator[bytes]:
        limit, length = self._limit, 0
        async for encoded in self._response.content.iter_any():
            for chunk in decoding.decode(self._decoders, encoded):
                length += len(chunk)
                if limit is not None and length > limit:
                    raise BodyTooLargeError(limit)
                yield chunk
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
