"""The addresses at which a fleet answers for its health and shows its metrics."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from assay.cli.processes import exposition
from assay.cli.processes.fleet import Fleet
from assay.temporal.telemetry import status_server

if TYPE_CHECKING:
    from aiohttp import ClientSession, web

    from assay.temporal.telemetry.status_server import Page

_SCRAPE_TIMEOUT = 5.0


class Endpoints:
    """HTTP servers, one for each address; an address may have both health and metrics."""

    def __init__(self, fleet: Fleet) -> None:
        """Serve nothing so far."""
        self._fleet = fleet
        self._pages: dict[str, dict[str, Page]] = {}
        self._runners: list[web.ServerRunner] = []
        self._session: ClientSession | None = None

    async def serve_health(self, address: str) -> None:
        """Answer for the health of the processes at an address from now on. Raises BuiltinError."""
        checks = {"/livez": partial(self._stuck, address), "/readyz": partial(self._unready, address)}
        await self._serve(address, {path: status_server.page_of(check) for path, check in checks.items()})

    async def serve_metrics(self, address: str) -> None:
        """Show the metrics of the processes at an address from now on. Raises BuiltinError."""
        await self._serve(address, {"/metrics": partial(self._metrics, address)})

    async def close(self) -> None:
        """Stop listening."""
        for runner in self._runners:
            await runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _serve(self, address: str, pages: dict[str, Page]) -> None:
        served = self._pages.get(address)
        if served is not None:
            served.update(pages)
            return
        self._pages[address] = pages
        self._runners.append(await status_server.listen(address, pages))

    async def _stuck(self, address: str) -> list[str]:
        numbers = [number for number, child in self._fleet.children.items() if child.is_up]
        return await self._problems(numbers, address, "/livez")

    async def _unready(self, address: str) -> list[str]:
        if self._fleet.stopping:
            return ["draining"]
        return await self._problems(self._fleet.numbers(), address, "/readyz")

    async def _problems(self, numbers: list[int], address: str, path: str) -> list[str]:
        found = await asyncio.gather(*(self._check(number, address, path) for number in numbers))
        return [f"process {number}: {text}" for number, texts in zip(numbers, found, strict=True) for text in texts]

    async def _check(self, number: int, address: str, path: str) -> list[str]:
        child = self._fleet.children.get(number)
        if child is None:
            return ["it has ended and will be started again"]
        return await child.check(address, path) if child.is_up else ["starting"]

    async def _metrics(self, address: str) -> web.Response:
        from aiohttp import web

        places = [child.metrics[address] for child in self._fleet.children.values() if address in child.metrics]
        documents = await asyncio.gather(*map(self._scrape, places))
        text = exposition.merge([*documents, self._own()])
        return web.Response(text=text, headers={"Content-Type": exposition.CONTENT_TYPE})

    async def _scrape(self, address: str) -> str:
        """Return the metrics of a process; nothing if it is ending."""
        from aiohttp import ClientError, ClientSession, ClientTimeout

        if self._session is None:
            self._session = ClientSession(timeout=ClientTimeout(total=_SCRAPE_TIMEOUT))
        with suppress(ClientError, TimeoutError):
            async with self._session.get(f"http://{address}/metrics") as answer:
                return await answer.text()
        return ""

    def _own(self) -> str:
        """Return the metrics of the processes themselves."""
        fleet = self._fleet
        lines = [
            "# HELP assay_process_up Whether the process runs and has started its worker or server",
            "# TYPE assay_process_up gauge",
        ]
        up = {number for number, child in fleet.children.items() if child.is_up}
        lines += [f'assay_process_up{{process="{number}"}} {int(number in up)}' for number in fleet.numbers()]
        lines += [
            "# HELP assay_process_restarts_total How often the process was started again after it had died",
            "# TYPE assay_process_restarts_total counter",
        ]
        lines += [
            f'assay_process_restarts_total{{process="{number}"}} {fleet.restarts[number]}' for number in fleet.numbers()
        ]
        return "\n".join(lines)
