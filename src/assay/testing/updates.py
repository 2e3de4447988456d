"""Updates that a test sends: time does not advance until the handler waits."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable
from typing import Any

from temporalio.client import WorkflowUpdateStage
from temporalio.common import RawValue

from assay.lua.values import Json, Name, Value
from assay.temporal.client import Client, values
from assay.temporal.client.messages import RunUpdateOptions
from assay.temporal.client.session import call_server
from assay.temporal.core.protos import WorkflowActivation, WorkflowActivationCompletion
from assay.temporal.workflow.run.run import Run


class UpdateHandlers:
    """The running update handlers, as reported by the workers."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._running: dict[tuple[str, str], str] = {}
        """Update ids by run id and protocol instance id."""
        self._at_end: dict[str, Callable[[], None]] = {}
        self._lock = threading.Lock()

    def waits(self, update_id: str) -> asyncio.Future[None]:
        """Return a future that is resolved when the handler waits for more than its workflow task delivers."""
        return self._waiting.setdefault(update_id, self._loop.create_future())

    def at_end(self, update_id: str, call: Callable[[], None]) -> bool:
        """Call `call` when a handler has ended, on the worker's thread and before the server learns of the end.

        Return false if it has ended already.
        """
        with self._lock:
            if update_id not in self._running.values():
                return False
            self._at_end[update_id] = call
            return True

    def activated(self, run: Run, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        """Process an activation; called on a worker's thread."""
        for job in act.jobs:
            if job.HasField("do_update"):
                with self._lock:
                    self._running[act.run_id, job.do_update.protocol_instance_id] = job.do_update.id
        for command in completion.successful.commands:
            response = command.update_response
            if response.WhichOneof("response") in ("completed", "rejected"):
                with self._lock:
                    update_id = self._running.pop((act.run_id, response.protocol_instance_id), "")
                    call = self._at_end.pop(update_id, None)
                if call is not None:
                    call()
        if self._running and not run.local_activities:
            waiting = [update for (run_id, _), update in tuple(self._running.items()) if run_id == act.run_id]
            self._loop.call_soon_threadsafe(self._set_waiting, waiting)

    def _set_waiting(self, updates: list[str]) -> None:
        for update in updates:
            waiting = self.waits(update)
            if not waiting.done():
                waiting.set_result(None)


class SentUpdate:
    """An update that was sent."""

    def __init__(self, client: Client, handlers: UpdateHandlers, workflow_id: str, name: str, value: Value) -> None:
        """Send an update."""
        options = RunUpdateOptions(
            workflow_id=Name(workflow_id), update_name=Name(name), update_id=Name(uuid.uuid4().hex), input=value
        )
        self.update_id = str(options.update_id)
        self._handler_waits = handlers.waits(self.update_id)
        self._result = asyncio.ensure_future(_send(client, options))

    async def until_handler_waits(self) -> bool:
        """Wait until the handler ends or waits; return true if it has ended."""
        await asyncio.wait((self._result, self._handler_waits), return_when=asyncio.FIRST_COMPLETED)
        return self._result.done()

    async def result(self) -> Json:
        """Wait for the result, and return it. Raise ErrorObject if the update fails."""
        return await self._result

    def forget(self) -> None:
        """Stop waiting for the result."""
        self._result.cancel()


async def _send(client: Client, options: RunUpdateOptions) -> Json:
    async def call() -> Any:
        handle = await client.handle(options).start_update(
            options.update_name,
            args=values.arguments(options),
            wait_for_stage=WorkflowUpdateStage.COMPLETED,
            id=options.update_id,
            result_type=RawValue,
        )
        return await handle.result()

    return values.result(await call_server("update", call(), f"update '{options.update_name}'"))
