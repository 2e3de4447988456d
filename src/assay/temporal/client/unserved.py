"""Warning for a client that waits for a workflow whose task queue gives it to no worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from temporalio.service import RPCError

from assay import events
from assay.temporal.client.pollers import workflow_pollers
from assay.temporal.telemetry.reporter import Reporter

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

_TIMEOUT = 5.0
"""Seconds to wait for a worker before the warning: scripts often start workflows before their workers run."""


@contextlib.asynccontextmanager
async def warned_if_unserved(client: Client, handle: WorkflowHandle[Any, Any]) -> AsyncIterator[None]:
    """Warn once if, during the block, a workflow task is pending and its task queue gives it to no worker."""
    watch = asyncio.create_task(_watch(client, handle))
    try:
        yield
    finally:
        watch.cancel()


async def _watch(client: Client, handle: WorkflowHandle[Any, Any]) -> None:
    await asyncio.sleep(_TIMEOUT)
    with contextlib.suppress(RPCError):  # the caller's own call reports the error
        execution = (await handle.describe()).raw_description
        if not execution.HasField("pending_workflow_task"):
            return
        queue = execution.execution_config.task_queue.name
        pollers = await workflow_pollers(client, queue)
        reason = ""
        if not pollers.workers:
            reason = f"no worker polls task queue '{queue}'"
        elif pollers.without_current is not None:
            reason = f"deployment '{pollers.without_current}' of task queue '{queue}' has no current version"
        if reason:
            text = f"workflow '{handle.id}': waiting for a worker; {reason}"
            Reporter(task_queue=queue).report(events.QUEUE_UNPOLLED, text, workflow_id=handle.id)
