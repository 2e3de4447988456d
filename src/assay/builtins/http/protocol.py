"""aiohttp's low-level server, with answers of our own to what is no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from assay.builtins.http.answers import plain


class Server(web.Server):
    """A server whose connections speak as below."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], **options: Any) -> None:
        """Prepare it; a handler whose client goes is cancelled.

        Args:
            handler: What answers requests.
            options: Those of aiohttp's `RequestHandler`.
        """
        super().__init__(handler, handler_cancellation=True)
        self._options = options

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of a connection."""
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._options)


class _Protocol(web.RequestHandler):
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, in fewer words about its insides than aiohttp does."""
        if request.writer.output_size > 0:
            raise ConnectionError("another answer is under way")
        answer = plain(status, HTTPStatus(status).phrase.lower())
        answer.force_close()
        return answer
