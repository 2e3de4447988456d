"""The worker: a thread of its own in which the SDK polls, so that Lua code that computes never stops it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import threading
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any, ClassVar

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError, RPCStatusCode

from assay.errors import BuiltinError, ErrorObject
from assay.lua.declare import method
from assay.lua.host import Host
from assay.lua.loop import new_event_loop
from assay.temporal import configuration, logs, payloads
from assay.temporal.activities import activity_function, side_effect_activity, unknown_activity
from assay.temporal.allocator import give_freed_memory_back
from assay.temporal.connection import connect
from assay.temporal.core import core
from assay.temporal.nexus import service_handlers
from assay.temporal.outage import Outage
from assay.temporal.worker_options import WorkerOptions
from assay.temporal.workflow.host import WorkflowLimits
from assay.temporal.workflow.instance import Settings, Snapshot, workflow_class

SHUTDOWN_MARGIN = 5.0
"""Seconds beyond the graceful timeout after which activities that do not end are left behind."""


def _title(workflow: str | None) -> str:
    return "the dynamic workflow" if workflow is None else f"workflow '{workflow}'"


class Worker:
    """A running worker."""

    lua_name: ClassVar[str] = "temporal.Worker"
    lua_prefix: ClassVar[str] = "handle"
    always_takes_activities: ClassVar[bool] = False
    """Whether it asks the server for activities although it has none."""

    def __init__(self, host: Host, options: WorkerOptions) -> None:
        options.check()
        self._host = host
        self._options = options
        self._permissions = host.permissions
        self._script = asyncio.get_running_loop()
        self._settings = Settings(
            libraries=host.libraries,
            limits=options.workflow_limits or WorkflowLimits(),
        )
        self._snapshots: list[Snapshot] | None = None
        self._workflows: list[type] = []
        self._fingerprint = hashlib.sha256()  # of the workflows: what the server shows as the worker's build
        self._activities: list[Callable[..., Any]] = []
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def options(self) -> WorkerOptions:
        """What it was made with."""
        return self._options

    @property
    def settings(self) -> Settings:
        """What its workflows share."""
        return self._settings

    def snapshots(self) -> list[Snapshot]:
        """The snapshot of each workflow. Taken once."""
        if self._snapshots is None:
            self._snapshots = [
                Snapshot(
                    name,
                    self._host.snapshot(entry.run, _title(name)),
                    entry.behavior,
                    (entry.on_workflow_error or self._options.on_workflow_error) == "suspend",
                )
                for name, entry in self._options.all_workflows()
            ]
        return self._snapshots

    def activity_functions(self) -> list[Callable[..., Any]]:
        """Make the SDK's activities for the options' activities."""
        return [
            activity_function(name, entry.run, self._script, self._settings, entry.max_concurrent)
            for name, entry in self._options.all_activities()
        ]

    def unknown_activity(self) -> Callable[..., Any]:
        """Make the SDK's activity for all other names, when there is no dynamic one."""
        return unknown_activity(self._options.activities)

    async def start(self) -> None:
        """Connect and start polling. Raises BuiltinError or ErrorObject."""
        # Not before: a tool that replays asks for no activity, their results are in the history.
        is_open = self._options.dynamic_activity is not None
        self._settings.local_activities = None if is_open else frozenset(self._options.activities)
        for snapshot in self.snapshots():
            self._fingerprint.update(snapshot.code)
            self._workflows.append(workflow_class(snapshot, self._settings))
        self._activities = [*self.activity_functions(), side_effect_activity(self._settings)]
        if not is_open:
            self._activities.append(self.unknown_activity())
        logs.configure(self._host.verbose)
        threading.Thread(target=self._main, name=f"temporal-{self._options.task_queue}", daemon=True).start()
        await asyncio.wrap_future(self._started)
        self._host.add_service(self)

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            try:
                runner.run(self._run())
            except BaseException as error:
                if not self._started.done():
                    self._started.set_exception(error)
                elif not self._ended.done():
                    self._ended.set_exception(error)
        if not self._ended.done():
            self._ended.set_result(None)

    async def _run(self) -> None:
        # A script that is only a client does without them.
        from temporalio.worker import Worker as SdkWorker

        from assay.temporal.workflow.runner import LuaWorkflowRunner

        options = self._options
        permissions = self._permissions
        if options.metrics is not None:
            await asyncio.to_thread(options.metrics.ask, permissions)
        client = await connect(
            "temporal.worker",
            options,
            task_queue=options.task_queue,
            runtime=core(options.metrics),
            permissions=permissions,
        )
        try:
            request = DescribeNamespaceRequest(namespace=client.namespace)
            namespace = await client.workflow_service.describe_namespace(request, timeout=timedelta(seconds=20))
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                text = f"temporal.worker: namespace '{client.namespace}' not found"
                raise ErrorObject(text, kind="not_found") from error
            raise ErrorObject(f"temporal.worker: {error.message}", kind="rpc") from error
        self._settings.payload_limit = namespace.namespace_info.limits.blob_size_limit_error or payloads.USUAL_LIMIT
        try:
            worker = SdkWorker(
                client,
                activities=self._activities,
                workflows=self._workflows,
                nexus_service_handlers=service_handlers(options.nexus_services, self._script, self._settings),
                unsandboxed_workflow_runner=LuaWorkflowRunner(self._settings),
                no_remote_activities=(
                    options.no_remote_activities or not (options.all_activities() or self.always_takes_activities)
                ),
                **options.to_sdk(self._fingerprint.hexdigest()[:32]),
            )
        except (ValueError, TypeError) as error:
            raise BuiltinError(str(error)) from error
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        watching = asyncio.create_task(
            Outage(client.service_client, configuration.resolve(options, permissions)).watch()
        )
        polling = asyncio.create_task(worker.run())
        stopping = asyncio.create_task(self._stop.wait())
        self._started.set_result(None)
        give_freed_memory_back()
        await asyncio.wait((polling, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        watching.cancel()
        if not polling.done():
            draining = asyncio.create_task(worker.shutdown())
            await asyncio.wait((draining,), timeout=options.graceful_shutdown_timeout + SHUTDOWN_MARGIN)
            if not draining.done():
                logs.warn("temporal.worker: activities that did not end are left behind")
                self._ended.set_result(None)
                return
        await polling

    def request_shutdown(self) -> None:
        """Begin to drain; may be called from any thread, more than once."""
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    def __await__(self) -> Generator[Any, None, None]:
        """Wait until the worker has ended; raises what made it end if it was not asked to."""
        return asyncio.shield(asyncio.wrap_future(self._ended)).__await__()

    @method
    def is_running(self) -> bool:
        """Tell whether the worker polls."""
        return not self._ended.done() and not (self._stop is not None and self._stop.is_set())

    @method
    async def shutdown(self) -> None:
        """Stop polling, let running activities end, and wait for that.

        Activities that take longer than `graceful_shutdown_timeout` are cancelled.
        """
        self.request_shutdown()
        await self

    @method
    async def wait(self) -> None:
        """Wait until the worker has ended."""
        await self
