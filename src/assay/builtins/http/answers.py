"""Answers that are complete before they are sent."""

from __future__ import annotations

import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache

from aiohttp import HttpVersion10, hdrs, web
from aiohttp.abc import AbstractStreamWriter

from assay.lua.values import text_or_bytes

SERVER = "assay"

_WITHOUT_BODY = (204, 304)


class Answer(web.StreamResponse):
    """A status, headers and a body, sent in one piece.

    In the place of aiohttp's `Response`, which takes longer than a short handler over the headers that it might add.
    """

    def __init__(
        self, status: int, body: bytes, content_type: str | None = None, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Prepare it.

        Args:
            status: The HTTP status.
            body: All of the body.
            content_type: The body's type when the headers have none; by its bytes when left out.
            headers: Names and values that HTTP can carry.
        """
        super().__init__(status=status)
        self._content = body
        self._default_type = content_type
        self._given = headers

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Send it."""
        old, head_only = request.version == HttpVersion10, request.method == hdrs.METH_HEAD
        body = b"" if self.status in _WITHOUT_BODY else self._content
        lines = f"HTTP/1.{0 if old else 1} {self.status} {self.reason}\r\n"
        names = set()
        for name, value in self._given:
            names.add(name.lower())
            lines += f"{name}: {value}\r\n"
            if value.lower() == "close" and name.lower() == "connection":
                self.force_close()
        if body and "content-type" not in names:
            lines += f"Content-Type: {self._default_type or _guess(body)}\r\n"
        if body or not (head_only or self.status in _WITHOUT_BODY):
            lines += f"Content-Length: {len(body)}\r\n"
        if "date" not in names:
            lines += _date_line(int(time.time()))
        if "server" not in names:
            lines += f"Server: {SERVER}\r\n"
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive and not getattr(request.protocol, "ending", False)
        if "connection" not in names:
            if self._keep_alive:
                lines += "Connection: keep-alive\r\n" if old else ""
            elif not old:
                lines += "Connection: close\r\n"
        message = (lines + "\r\n").encode()
        if not head_only:
            message += body
        self._body_length = len(message)
        writer = request.writer
        await writer.write(message)
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to send."""


def plain(status: int, text: str, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """Make an answer of the server's own."""
    return Answer(status, text.encode(), None, headers)


def _guess(body: bytes) -> str:
    return "text/plain; charset=utf-8" if isinstance(text_or_bytes(body), str) else "application/octet-stream"


@lru_cache(maxsize=1)
def _date_line(now: int) -> str:
    return f"Date: {formatdate(now, usegmt=True)}\r\n"
