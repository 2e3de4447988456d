"""A process's side of the connection to the supervisor: JSON lines in both directions."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import json
import os
import signal
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from assay.errors import BuiltinError
from assay.lua.sharing import Check, Sharing
from assay.temporal.telemetry import exporters


class Link(Sharing):
    """Addresses and ports shared with the other processes, coordinated by the supervisor."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        """Start to listen. If the supervisor goes away, the process receives SIGTERM."""
        self.number = number
        self._connection = connection
        self._lock = threading.Lock()
        self._checks: dict[str, Mapping[str, Check]] = {}
        self._metrics: dict[str, str] = {}
        self._numbers = itertools.count()
        self._answers: dict[int, concurrent.futures.Future[Any]] = {}
        threading.Thread(target=self._listen, name="assay-supervised", daemon=True).start()

    def announce_start(self) -> None:
        """Report that a service of the script has started."""
        self._send(event="up")

    async def announce_health(self, address: str, checks: Mapping[str, Check]) -> None:
        """Have the supervisor serve the checks at `address`. Raises BuiltinError if it cannot."""
        self._checks[address] = checks
        await self._request_address(event="health", address=address)

    async def metrics_address(self, address: str) -> str:
        """Return the private address at which this process serves the metrics of `address`.

        Raises BuiltinError if the supervisor cannot serve them at `address`.
        """
        with self._lock:
            private = self._metrics.get(address)
            if private is None:
                private = self._metrics[address] = exporters.private_address()
        await self._request_address(event="metrics", address=address, private=private)
        return private

    async def reserve(self, host: str | None, port: int) -> None:
        """Raise OSError unless the port is free for the processes."""
        problem: int = await self._request(event="reserve", host=host, port=port)
        if problem:
            raise OSError(problem, os.strerror(problem))

    async def _request_address(self, **message: Any) -> None:
        problem: str = await self._request(**message)
        if problem:
            raise BuiltinError(problem)

    async def _request(self, **message: Any) -> Any:
        """Send a request to the supervisor and return its answer."""
        answer: concurrent.futures.Future[Any] = concurrent.futures.Future()
        number = next(self._numbers)
        self._answers[number] = answer
        self._send(id=number, **message)
        try:
            return await asyncio.wrap_future(answer)
        finally:
            del self._answers[number]

    def _send(self, **message: Any) -> None:
        line = json.dumps(message).encode() + b"\n"
        with self._lock, suppress(OSError):  # the supervisor is gone, which `_listen` handles
            self._connection.sendall(line)

    def _listen(self) -> None:
        with suppress(OSError), self._connection.makefile("rb") as lines:
            for line in lines:
                self._handle(json.loads(line))
        os.kill(os.getpid(), signal.SIGTERM)

    def _handle(self, message: Mapping[str, Any]) -> None:
        if "answer" in message:
            self._answers[message["id"]].set_result(message["answer"])
            return
        check = self._checks.get(message["address"], {}).get(message["path"])
        problems = [] if check is None else asyncio.run(_run(check))
        self._send(event="checked", id=message["id"], problems=problems)


async def _run(check: Check) -> list[str]:
    return await check()
