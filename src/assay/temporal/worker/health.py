"""`/livez` and `/readyz` over HTTP, and `/metrics` if asked for, for what starts and watches a worker's process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.errors import BuiltinError
from assay.lua.sharing import Check
from assay.temporal.telemetry import exporters, status_server

if TYPE_CHECKING:
    from aiohttp import web

    from assay.temporal.telemetry.status_server import Page

Announce = Callable[[str, Mapping[str, Check]], None]
"""Has the checks of an address answered by another process."""

LOOP_TIMEOUT = 3.0
"""Seconds within which the loop of a worker has to turn."""

_endpoints: dict[str, Endpoint] = {}
_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class _Member:
    """A worker that an address answers for."""

    task_queue: str
    trouble: Callable[[], str | None]
    loop: asyncio.AbstractEventLoop

    async def turns(self) -> bool:
        """Return true if its loop turns."""
        if self.loop is asyncio.get_running_loop():
            return True
        turned = asyncio.Event()
        here = asyncio.get_running_loop()
        try:
            self.loop.call_soon_threadsafe(here.call_soon_threadsafe, turned.set)
            await asyncio.wait_for(turned.wait(), LOOP_TIMEOUT)
        except (RuntimeError, TimeoutError):  # the loop is closed, or busy
            return False
        return True


@asynccontextmanager
async def served(
    address: str | None, task_queue: str, trouble: Callable[[], str | None], announce: Announce | None = None
) -> AsyncIterator[Endpoint | None]:
    """Answer for a worker at `address`, on the running loop, as long as the block runs. Raises BuiltinError.

    Gives what answers there.

    Args:
        address: The IP address and the port; None: answer nowhere. Workers of a process may share it.
        task_queue: The worker's task queue, which the answers name.
        trouble: Returns why the worker is not ready, or None.
        announce: Called with the address and its checks in place of listening there.
    """
    if address is None:
        yield None
        return
    member = _Member(task_queue, trouble, asyncio.get_running_loop())
    with _lock:
        endpoint = _endpoints.setdefault(address, Endpoint(address, announce))
    await endpoint.join(member)
    try:
        yield endpoint
    finally:
        await endpoint.leave(member)


class Endpoint:
    """An address: the loop of one member serves it for all, and when that one leaves another takes over."""

    def __init__(self, address: str, announce: Announce | None) -> None:
        self._address = address
        self._announce = announce
        self._members: list[_Member] = []
        self._pages: dict[str, Page] = {}
        self._exporter: str | None = None
        self._runner: web.ServerRunner | None = None

    def exporter(self) -> str:
        """Show metrics too; returns the address at which they have to be served for that."""
        with _lock:
            if self._exporter is None:
                self._exporter = exporters.private_address()
                self._pages["/metrics"] = self._show_metrics
            return self._exporter

    async def join(self, member: _Member) -> None:
        with _lock:
            self._members.append(member)
            is_first = len(self._members) == 1
        if not is_first:
            return
        try:
            await self._open()
        except BuiltinError:
            await self.leave(member)
            raise

    async def leave(self, member: _Member) -> None:
        with _lock:
            was_first = self._members[0] is member
            self._members.remove(member)
            heir = self._members[0] if was_first and self._members else None
            if not self._members:
                _endpoints.pop(self._address, None)
        if was_first and self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        if heir is not None:
            opening = self._open()
            try:
                asyncio.run_coroutine_threadsafe(opening, heir.loop)
            except RuntimeError:  # it has ended too
                opening.close()

    async def _open(self) -> None:
        checks: dict[str, Check] = {"/livez": self._stuck, "/readyz": self._unready}
        if self._announce is not None:
            self._announce(self._address, checks)
            return
        self._pages |= {path: status_server.page_of(check) for path, check in checks.items()}
        try:
            self._runner = await status_server.listen(self._address, self._pages)
        except BuiltinError as error:
            raise BuiltinError(f"bad option 'health' ({error})") from error

    async def _show_metrics(self) -> web.Response:
        from aiohttp import web

        assert self._exporter is not None
        text = await exporters.scrape(self._exporter)
        return web.Response(text=text, headers={"Content-Type": exporters.CONTENT_TYPE})

    async def _stuck(self) -> list[str]:
        members = list(self._members)
        turning = await asyncio.gather(*(member.turns() for member in members))
        return [
            f"task queue '{member.task_queue}': the worker's event loop is blocked"
            for member, turns in zip(members, turning, strict=True)
            if not turns
        ]

    async def _unready(self) -> list[str]:
        found = [(member.task_queue, member.trouble()) for member in self._members]
        return [f"task queue '{task_queue}': {trouble}" for task_queue, trouble in found if trouble is not None]
