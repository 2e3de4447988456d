"""Lua code with a client of the HTTP API, and the Temporal CLI to check its effects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from assay import LuaError, Runtime
from temporal_script import Script
from timeouts import TIMEOUT

NOT_FOUND = {"status": 404, "code": 5, "kind": "not_found"}
RUNNING, TERMINATED = "WORKFLOW_EXECUTION_STATUS_RUNNING", "WORKFLOW_EXECUTION_STATUS_TERMINATED"


class Rest:
    """Runs Lua code with a client in `c`, and the Temporal CLI."""

    def __init__(self, lua: Script, url: str) -> None:
        self.url = url
        self._lua = lua

    async def __call__(self, code: str, *arguments: Any) -> Any:
        """Run code in a new runtime; returns its first result."""
        async with Runtime() as lua:
            head = "local c = require('assay.temporal').client((...)) arg = { select(2, ...) }"
            return await lua.run(f"{head} return (function(...) {code}\nend)(table.unpack(arg))", self.url, *arguments)

    async def error(self, code: str, *arguments: Any) -> dict[str, Any]:
        """Run code that raises an error object; returns its fields."""
        with pytest.raises(LuaError) as caught:
            await self(code, *arguments)
        assert isinstance(caught.value.value, dict), caught.value
        return caught.value.value

    async def until(self, accept: Callable[[Any], object], code: str, *arguments: Any) -> Any:
        """Run code until its result is accepted: lists show changes only after a delay."""
        deadline = time.monotonic() + TIMEOUT
        while not accept(result := await self(code, *arguments)):
            assert time.monotonic() < deadline, result
            await asyncio.sleep(0.1)
        return result

    async def cli(self, *arguments: str) -> Any:
        """Run the Temporal CLI; returns its JSON output."""
        return await asyncio.to_thread(self._lua.cli, *arguments)

    async def start(self, workflow_id: str, *arguments: str) -> str:
        """Start a workflow that no worker runs; returns its run id."""
        target = ("--workflow-id", workflow_id, "--type", "Nobody", "--task-queue", "nobody")
        return str((await self.cli("workflow", "start", *target, *arguments))["runId"])

    async def history(self, workflow_id: str, *arguments: str) -> Any:
        """Return a history from the CLI."""
        return await self.cli("workflow", "show", "--workflow-id", workflow_id, *arguments)

    async def describe(self, workflow_id: str, *arguments: str) -> Any:
        """Return the description of a workflow from the CLI."""
        return await self.cli("workflow", "describe", "--workflow-id", workflow_id, *arguments)

    async def cli_text(self, *arguments: str) -> str:
        """Run the Temporal CLI; returns what it printed."""
        return await asyncio.to_thread(self._lua.cli_text, *arguments)

    async def terminate(self, workflow_id: str, *arguments: str) -> None:
        """Terminate a workflow."""
        lua, command = self._lua, ("workflow", "terminate", "--workflow-id", workflow_id, *arguments)
        await asyncio.to_thread(lua.cli_text, *command)
