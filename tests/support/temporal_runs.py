"""Workflow runs on a real server, with workers that are started and stopped."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from temporalio.client import WorkflowHistory

from command import read_until
from temporal_script import Script
from timeouts import TIMEOUT
from workflow_session import count_types


async def run_until(lua: Script, text: str, name: str, mode: str, condition: Any) -> str:
    """Run a worker until an awaitable condition is done, and stop it; returns what it wrote to stderr."""
    script = lua.command.script(text, "worker.lua")
    with lua.command.started(script, name, mode) as process:
        await asyncio.to_thread(read_until, process, "polling")
        await asyncio.wait_for(condition, TIMEOUT)
        process.send_signal(signal.SIGTERM)
        _, stderr = await asyncio.to_thread(process.communicate, timeout=TIMEOUT)
        assert process.returncode == 0, stderr
        return stderr


async def until_history_has(handle: Any, event_type: str, count: int = 1) -> WorkflowHistory:
    """Wait until a run's history has events of a type."""
    while True:
        history: WorkflowHistory = await handle.fetch_history()
        if count_types(history)[event_type] >= count:
            return history
        await asyncio.sleep(0.05)
