"""The environment of a test: the workers of a script, on a Temporal server that skips time."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from assay.errors import AssayError, BuiltinError, ErrorObject
from assay.libraries import LIBRARIES
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.state import PARTS
from assay.lua.values import Name
from assay.temporal.client import Client, StartOptions
from assay.temporal.client.messages import QueryOptions, SignalOptions
from assay.temporal.client.workflows import CancelOptions, ResultOptions
from assay.temporal.replay.engine import ReplayResult
from assay.temporal.worker.options import WorkerOptions
from assay.temporal.worker.worker import Worker
from assay.testing.clock import Clock
from assay.testing.histories import mismatches
from assay.testing.names import ActivityNames, TestedScript
from assay.testing.options import ActivityCall, EnvironmentOptions, PlannedMessage, RunOptions
from assay.testing.search_attributes import AttributeRegistry
from assay.testing.updates import SentUpdate
from assay.testing.worker import Reports, TestWorker

INLINE_QUEUE = "test"


@dataclass(frozen=True)
class StartedRun:
    """A workflow that was started.

    Attributes:
        workflow_type: Type of the workflow.
        workflow_id: Id of the workflow.
        run_id: Id of its first run.
        has_timeout: True if it was started with a timeout, so that it will end in any case.
    """

    workflow_type: str
    workflow_id: str
    run_id: str
    has_timeout: bool


class TestEnvironment:
    """Workers on the test server of a file, and the workflows that the test started."""

    def __init__(
        self,
        host: Host,
        server: WorkflowEnvironment,
        attributes: AttributeRegistry,
        client: Client,
        options: EnvironmentOptions,
        end_test: Callable[[str], None],
        *,
        parts: tuple[str, ...] = (),
        libraries: Mapping[str, tuple[str, bool]] = MappingProxyType({}),
    ) -> None:
        """Create an environment without workers.

        Args:
            host: The host of the test file.
            server: The test server.
            attributes: Registry of the server's search attributes.
            client: A client for the server.
            options: Options of the environment.
            end_test: Fails the running test with a message.
            parts: Additional parts of the private Lua side for all states.
            libraries: Additional libraries for all states.
        """
        self._host = host
        self._parts = parts
        self._libraries = libraries
        self._server = server
        self._attributes = attributes
        self._options = options
        self._client = client
        self._script: TestedScript | None = None
        self._workers: list[Worker] = []
        self._runs: list[StartedRun] = []
        self._planned: list[PlannedMessage] = []
        self._started: dict[str, tuple[float, list[PlannedMessage]]] = {}
        self._names = ActivityNames((), is_open=False)
        self._reports = Reports(attributes, end_test)
        self._clock = Clock(server, self._reports)

    async def open(self, folder: str) -> None:
        """Run the script and start the workers. Raise AssayError."""
        options = self._options
        if options.script is None and not options.workflows:
            raise BuiltinError("nothing to test: set 'script', 'workflows' or both")
        if options.script is not None:
            path = _join(folder, options.script)
            self._host.permissions.part_of(os.fsencode(path), [folder])
            script = self._script = TestedScript(
                path,
                parts=(*PARTS, *self._parts),
                libraries={**LIBRARIES, **self._libraries},
                permissions=self._host.permissions,
            )
            await script.read(options.arguments)
            if not script.workers:
                raise AssayError(f"{path} does not start a worker; call temporal.worker")
            self._names = ActivityNames(
                {name for worker in script.workers for name in worker.options.activities},
                is_open=any(worker.options.dynamic_activity is not None for worker in script.workers),
                sources=script.sources,
            )
            for worker in script.workers:
                if worker.options.all_workflows() or worker.options.all_activities():  # not only Nexus operations
                    self._workers.append(self._worker(script, _test_options(worker.options, options.activities)))
        if options.workflows:
            inline = WorkerOptions(
                task_queue=Name(INLINE_QUEUE), workflows={**options.workflows}, activities={**options.activities}
            )
            self._workers.append(self._worker(self._host, inline))
        self._reports.rejections.open()
        for worker in self._workers:
            worker.settings.parts = self._parts
            await worker.start()
            self._host.services.remove(worker)

    def _worker(self, host: Host, options: WorkerOptions) -> Worker:
        return TestWorker(host, options, self._reports)

    def calls_of(self, activity: str | None) -> list[ActivityCall]:
        """Return the calls of one activity, or of all. Raise BuiltinError if the name is unknown."""
        if activity is None:
            return list(self._reports.calls)
        self._names.check_called(activity, self._called(), self._mocks())
        return [call for call in self._reports.calls if call.activity == activity]

    def unused_mocks(self) -> list[str]:
        """Return a message for each replaced activity that is unknown and was never called."""
        return [] if self._script is None else self._names.unused(self._mocks(), self._called())

    def _called(self) -> set[str]:
        return {call.activity for call in self._reports.calls}

    def _mocks(self) -> Collection[str]:
        return self._options.activities

    # Workflows ----------------------------------------------------------------------------------------------

    async def start(self, options: RunOptions) -> StartedRun:
        """Start a workflow, and assign the planned messages to it."""
        queues = {name: worker.options.task_queue for worker in self._workers for name in worker.options.workflows}
        dynamic = [worker.options.task_queue for worker in self._workers if worker.options.dynamic_workflow is not None]
        name = options.workflow_type
        if name is None:
            if len(queues) != 1 or dynamic:
                raise BuiltinError(f"'workflow_type' is required (one of: {', '.join(sorted(queues)) or 'none'})")
            name = next(iter(queues))
        elif name not in queues and not dynamic:
            raise BuiltinError(f"no workflow '{name}' (registered: {', '.join(sorted(queues)) or 'none'})")
        if options.search_attributes:
            await self._attributes.add_values(options.search_attributes)
        started = await self._client.start_workflow(
            StartOptions(
                task_queue=queues[name] if name in queues else dynamic[0],
                workflow_type=Name(name),
                workflow_id=Name(options.workflow_id or f"test-{uuid.uuid4()}"),
                input=options.input,
                execution_timeout=options.execution_timeout,
                run_timeout=options.run_timeout,
                memo=options.memo,
                search_attributes=options.search_attributes,
            )
        )
        now = await self._clock.now()
        if self._reports.first_start is None:
            self._reports.first_start = now
        self._started[started.workflow_id] = now, sorted(self._planned, key=lambda item: item.seconds)
        self._planned = []
        has_timeout = options.execution_timeout is not None or options.run_timeout is not None
        run = StartedRun(name, started.workflow_id, started.run_id or "", has_timeout)
        self._runs.append(run)
        return run

    def plan(self, message: PlannedMessage) -> None:
        """Plan a signal or an update for the workflow that is started next."""
        self._planned.append(message)

    async def result(self, run: StartedRun) -> Any:
        """Skip time until a workflow has ended, and return its result. Raise ErrorObject if it fails."""
        began, planned = self._started[run.workflow_id]
        while planned:
            await self._clock.skip_to(began + planned[0].seconds)
            await self._send_due()
        options = ResultOptions(workflow_id=Name(run.workflow_id), run_id=Name(run.run_id))
        async with self._clock.passing():
            try:
                call = self._client.get_result(options)
                return await self._reports.unless_task_fails(call, watch_activities=not run.has_timeout)
            except ErrorObject as error:
                if error.fields.get("kind") == "timeout" and not run.has_timeout:
                    reason = "waiting for an external event, such as a signal"
                    if self._reports.failing_activity is not None:
                        reason = f"{self._reports.failing_activity} (set retry_policy.maximum_attempts)"
                    raise ErrorObject(
                        f"workflow '{run.workflow_type}' did not complete: {reason}", kind="timeout"
                    ) from error
                raise

    async def sleep(self, seconds: float) -> None:
        """Skip time, and send the planned messages when they are due."""
        end = await self._clock.now() + seconds
        while True:
            due = [began + planned[0].seconds for began, planned in self._started.values() if planned]
            stop = min([end, *due])
            await self._clock.skip_to(stop)
            await self._send_due()
            if stop >= end:
                return

    async def _send_due(self) -> None:
        now = await self._clock.now()
        for workflow_id, (began, planned) in self._started.items():
            while planned and began + planned[0].seconds <= now + 0.001:
                message = planned.pop(0)
                try:
                    await self._send_planned(workflow_id, message)
                except ErrorObject as error:
                    if error.fields.get("kind") != "not_found":  # the workflow has ended
                        raise

    async def signal(self, run: StartedRun, name: str, value: Any) -> None:
        """Send a signal."""
        await self._client.signal_workflow(
            SignalOptions(workflow_id=Name(run.workflow_id), signal_name=Name(name), input=value)
        )

    async def query(self, run: StartedRun, name: str, value: Any) -> Any:
        """Query a workflow."""
        options = QueryOptions(workflow_id=Name(run.workflow_id), query_type=Name(name), input=value)
        return await self._client.query_workflow(options)

    async def update(self, run: StartedRun, name: str, value: Any) -> Any:
        """Send an update; let time pass while its handler waits."""
        sent = SentUpdate(self._client, self._reports.handlers, run.workflow_id, name, value)
        if await self._reports.unless_task_fails(sent.until_handler_waits()):
            try:
                return await sent.result()
            except ErrorObject as error:
                if error.fields.get("kind") == "not_found":
                    text = f"run:update: workflow '{run.workflow_type}' has ended"
                    raise ErrorObject(text, kind="not_found") from error
                raise
        async with self._clock.passing(partial(self._reports.handlers.at_end, sent.update_id)):
            return await self._reports.unless_task_fails(sent.result())

    async def _send_planned(self, workflow_id: str, message: PlannedMessage) -> None:
        if message.kind == "signal":
            options = SignalOptions(workflow_id=Name(workflow_id), signal_name=Name(message.name), input=message.input)
            await self._client.signal_workflow(options)
            return
        sent = SentUpdate(self._client, self._reports.handlers, workflow_id, message.name, message.input)
        if await self._reports.unless_task_fails(sent.until_handler_waits()):
            await sent.result()
        sent.forget()

    async def cancel(self, run: StartedRun) -> None:
        """Request cancellation of a workflow."""
        await self._client.cancel_workflow(CancelOptions(workflow_id=Name(run.workflow_id)))

    # Shutdown -----------------------------------------------------------------------------------------------

    def tracebacks(self) -> list[str]:
        """Return the place where each open workflow waits: its type, and a Lua traceback."""
        result = []
        for worker in self._workers:
            for run_id, text in worker.tracebacks():
                run = next((run for run in self._runs if run.run_id == run_id), None)
                if text:
                    result.append(f"workflow '{run.workflow_type if run else run_id}' waits\n{text}")
        return result

    async def close(self) -> None:
        """Terminate the workflows and stop the workers."""
        self._reports.rejections.close()
        for run in self._runs:
            with suppress(RPCError):
                await self._server.client.get_workflow_handle(run.workflow_id).terminate()
        for worker in self._workers:
            worker.request_shutdown()
        for worker in self._workers:
            await worker
        if self._script is not None:
            await self._script.close()

    async def mismatches(self) -> list[ReplayResult]:
        """Replay every run of this environment; return the results that do not match the history."""
        runs = [(run.workflow_id, run.run_id) for run in self._runs]
        return await mismatches(self._server.client, self._workers, runs)


def _test_options(options: WorkerOptions, replacements: Mapping[str, LuaFunction]) -> WorkerOptions:
    """Return the options of a test worker: the relevant options of the script's worker, with replaced activities."""
    workflows = [(name, replace(entry, versioning=None)) for name, entry in options.all_workflows()]
    return replace(
        WorkerOptions(task_queue=options.task_queue),
        workflows={name: entry for name, entry in workflows if name is not None},
        activities={**options.activities, **replacements},
        dynamic_activity=options.dynamic_activity,
        dynamic_workflow=next((entry for name, entry in workflows if name is None), None),
        workflow_limits=options.workflow_limits,
        on_workflow_error=options.on_workflow_error,
    )


def _join(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, path))
