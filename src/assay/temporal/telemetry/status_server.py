"""A minimal HTTP server for health checks and metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from assay.errors import BuiltinError
from assay.temporal.telemetry import listen_address

if TYPE_CHECKING:
    from aiohttp import web

    from assay.lua.sharing import Check

Page = Callable[[], Awaitable["web.Response"]]
"""Makes the response to a request."""


async def listen(address: str, pages: Mapping[str, Page]) -> web.ServerRunner:
    """Serve pages at `address` on the running loop until the runner is cleaned up. Raises BuiltinError.

    Args:
        address: The IP address and port.
        pages: The pages by path; may be changed later.
    """
    from aiohttp import web

    async def answer(request: web.BaseRequest) -> web.Response:
        page = pages.get(request.path)
        if page is None:
            return web.Response(status=404, text=f"not found; available: {', '.join(pages)}\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        return await page()

    host, port = listen_address.parse("address", address)
    runner = web.ServerRunner(web.Server(answer, access_log=None), shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host.strip("[]"), port).start()
    except OSError as error:
        await runner.cleanup()
        reason = (error.strerror or str(error)).rpartition(": ")[2]
        raise BuiltinError(f"cannot listen on {address}: {reason}") from error
    return runner


def page_of(check: Check) -> Page:
    """Make the page of a check: 200 if it passes, otherwise 503 with one line per problem."""
    from aiohttp import web

    async def page() -> web.Response:
        problems = await check()
        return web.Response(status=503 if problems else 200, text="".join(f"{line}\n" for line in problems or ["ok"]))

    return page
