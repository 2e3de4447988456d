"""HTTP endpoints for health and metrics of all processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from assay.cli.processes import exposition
from assay.cli.processes.child import ENDED, Child
from assay.cli.processes.fleet import Fleet
from assay.temporal.telemetry import exporters, status_server

if TYPE_CHECKING:
    from aiohttp import web

    from assay.temporal.telemetry.status_server import Page


class Endpoints:
    """HTTP servers, one per address; an address may serve both health and metrics."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._pages: dict[str, dict[str, Page]] = {}
        self._runners: list[web.ServerRunner] = []
        self._opening = asyncio.Lock()

    async def serve_health(self, address: str) -> None:
        """Start to serve the health of the processes at an address. Raises BuiltinError."""
        checks = {"/livez": partial(self._stuck, address), "/readyz": partial(self._unready, address)}
        await self._serve(address, {path: status_server.page_of(check) for path, check in checks.items()})

    async def serve_metrics(self, address: str) -> None:
        """Start to serve the metrics of the processes at an address. Raises BuiltinError."""
        await self._serve(address, {"/metrics": partial(self._metrics, address)})

    async def close(self) -> None:
        """Stop listening."""
        for runner in self._runners:
            await runner.cleanup()

    async def _serve(self, address: str, pages: dict[str, Page]) -> None:
        async with self._opening:
            served = self._pages.get(address)
            if served is not None:
                served.update(pages)
                return
            self._runners.append(await status_server.listen(address, pages))
            self._pages[address] = pages

    async def _stuck(self, address: str) -> list[str]:
        async def check(child: Child) -> list[str]:
            problems = await child.check(address, "/livez")
            return [] if child.has_ended else problems  # not stuck: the supervisor restarts it

        return await _gather({n: check(child) for n, child in self._fleet.children.items() if child.is_up})

    async def _unready(self, address: str) -> list[str]:
        async def check(number: int) -> list[str]:
            child = self._fleet.children.get(number)
            if child is None:
                return [ENDED]
            return await child.check(address, "/readyz") if child.is_up else ["starting"]

        if self._fleet.stopping:
            return ["draining"]
        return await _gather({number: check(number) for number in self._fleet.numbers()})

    async def _metrics(self, address: str) -> web.Response:
        from aiohttp import web

        places = [child.metrics[address] for child in self._fleet.children.values() if address in child.metrics]
        documents = await asyncio.gather(*map(exporters.scrape, places))
        text = exposition.merge([*documents, self._process_metrics()])
        return web.Response(text=text, headers={"Content-Type": exporters.CONTENT_TYPE})

    def _process_metrics(self) -> str:
        """Return the metrics about the processes themselves."""
        fleet = self._fleet
        lines = [
            "# HELP assay_process_up Whether the process is running and has started its worker or server",
            "# TYPE assay_process_up gauge",
        ]
        up = {number for number, child in fleet.children.items() if child.is_up}
        lines += [f'assay_process_up{{process="{number}"}} {int(number in up)}' for number in fleet.numbers()]
        lines += [
            "# HELP assay_process_restarts_total Number of restarts of the process after it died",
            "# TYPE assay_process_restarts_total counter",
        ]
        lines += [
            f'assay_process_restarts_total{{process="{number}"}} {fleet.restarts[number]}' for number in fleet.numbers()
        ]
        return "\n".join(lines)


async def _gather(checks: Mapping[int, Awaitable[list[str]]]) -> list[str]:
    """Return the problems of all processes, prefixed with their numbers."""
    results = await asyncio.gather(*checks.values())
    return [f"process {number}: {text}" for number, texts in zip(checks, results, strict=True) for text in texts]
