"""The worker: a thread of its own in which the SDK polls, so that Lua code that computes never stops it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker as SdkWorker

from assay.errors import BuiltinError, ErrorObject
from assay.lua.declare import method
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.loop import new_event_loop
from assay.temporal import logs
from assay.temporal.activities import LimitedActivity, activity_function, side_effect_activity
from assay.temporal.allocator import give_freed_memory_back
from assay.temporal.connection import ConnectionOptions, connect
from assay.temporal.workflow.context import SIDE_EFFECT_ACTIVITY
from assay.temporal.workflow.host import WorkflowLimits
from assay.temporal.workflow.instance import Settings, workflow_class
from assay.temporal.workflow.runner import LuaWorkflowRunner

SHUTDOWN_MARGIN = 5.0
"""Seconds beyond the graceful timeout after which activities that do not end are left behind."""


@dataclass(kw_only=True)
class WorkerOptions(ConnectionOptions):
    """What a worker runs, and for which task queue.

    Attributes:
        task_queue: The queue that it polls.
        activities: Name → function, or a table with the function and a limit; it gets the input and returns the
            result.
        workflows: Name → function; it gets `ctx` and the input and returns the result.
        max_concurrent_activities: How many activities run at once.
        max_concurrent_local_activities: How many local activities and side effects run at once.
        max_concurrent_workflow_tasks: How many workflow tasks run at once; at least 2.
        max_cached_workflows: How many runs are kept in memory between their tasks.
        max_activities_per_second: How many activities this worker starts in a second.
        max_task_queue_activities_per_second: How many activities the server hands out for the queue in a second.
        graceful_shutdown_timeout: Seconds that running activities get to end before they are cancelled.
        workflow_limits: What one run may use.
        on_workflow_error: "fail": an error that a workflow raises fails it; "suspend": it fails the workflow task
            only, and a fixed script carries the run on.
    """

    task_queue: str
    activities: dict[str, LuaFunction | LimitedActivity] = field(default_factory=dict)
    workflows: dict[str, LuaFunction] = field(default_factory=dict)
    max_concurrent_activities: int | None = None
    max_concurrent_local_activities: int | None = None
    max_concurrent_workflow_tasks: int | None = None
    max_cached_workflows: int = 1000
    max_activities_per_second: float | None = None
    max_task_queue_activities_per_second: float | None = None
    graceful_shutdown_timeout: float = 10
    workflow_limits: WorkflowLimits | None = None
    on_workflow_error: Literal["fail", "suspend"] = "fail"


_AT_LEAST: dict[str, float] = {
    "max_concurrent_activities": 1,
    "max_concurrent_local_activities": 1,
    "max_concurrent_workflow_tasks": 2,
    "max_cached_workflows": 0,
    "max_activities_per_second": 0.001,
    "max_task_queue_activities_per_second": 0.001,
    "graceful_shutdown_timeout": 0,
}


def _check(options: WorkerOptions) -> None:
    if not options.task_queue:
        raise BuiltinError("bad option 'task_queue' (a name expected, got an empty string)")
    if not options.activities and not options.workflows:
        raise BuiltinError("nothing to run: give 'activities', 'workflows' or both")
    for option, least in _AT_LEAST.items():
        value = getattr(options, option)
        if value is not None and not least <= value < float("inf"):
            raise BuiltinError(f"bad option '{option}' (at least {least:g} expected, got {value:g})")
    limits = options.workflow_limits or WorkflowLimits()
    if not 0.01 <= limits.cpu_seconds <= 1.5:
        got = f"{limits.cpu_seconds:g}"
        raise BuiltinError(f"bad option 'workflow_limits.cpu_seconds' (0.01 to 1.5 expected, got {got})")
    if not 4 <= limits.memory_mb <= 65536:
        raise BuiltinError(f"bad option 'workflow_limits.memory_mb' (4 to 65536 expected, got {limits.memory_mb:g})")
    for group, names in (("activities", options.activities), ("workflows", options.workflows)):
        for name in names:
            if not name or name.startswith("__temporal") or name == SIDE_EFFECT_ACTIVITY:
                raise BuiltinError(f"bad option '{group}' (the name '{name}' is reserved)")
    for name, entry in options.activities.items():
        most = entry.max_concurrent if isinstance(entry, LimitedActivity) else None
        if most is not None and most < 1:
            raise BuiltinError(f"bad option 'activities.{name}.max_concurrent' (at least 1 expected, got {most})")


class Worker:
    """A running worker."""

    lua_name: ClassVar[str] = "temporal.Worker"
    lua_prefix: ClassVar[str] = "handle"

    def __init__(self, host: Host, options: WorkerOptions) -> None:
        _check(options)
        self._host = host
        self._options = options
        self._script = asyncio.get_running_loop()
        self._settings = Settings(
            libraries=host.libraries,
            limits=options.workflow_limits or WorkflowLimits(),
            suspend=options.on_workflow_error == "suspend",
        )
        self._workflows: list[type] = []
        self._fingerprint = hashlib.sha256()  # of the workflows: what the server shows as the worker's build
        self._activities: list[Callable[..., Any]] = []
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    async def start(self) -> None:
        """Connect and start polling. Raises BuiltinError or ErrorObject."""
        for name, function in self._options.workflows.items():
            snapshot = self._host.snapshot(function, f"workflow '{name}'")
            self._fingerprint.update(snapshot)
            self._workflows.append(workflow_class(name, snapshot, self._settings))
        for name, entry in self._options.activities.items():
            limited = entry if isinstance(entry, LimitedActivity) else LimitedActivity(run=entry)
            self._activities.append(activity_function(name, limited.run, self._script, limited.max_concurrent))
        self._activities.append(side_effect_activity(self._settings))
        logs.configure(self._host.verbose)
        give_freed_memory_back()
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
        options = self._options
        client = await connect("temporal.worker", options)
        try:
            request = DescribeNamespaceRequest(namespace=client.namespace)
            await client.workflow_service.describe_namespace(request, timeout=timedelta(seconds=5))
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                text = f"temporal.worker: namespace '{client.namespace}' not found"
                raise ErrorObject(text, kind="not_found") from error
            raise ErrorObject(f"temporal.worker: {error.message}", kind="rpc") from error
        try:
            worker = SdkWorker(
                client,
                task_queue=options.task_queue,
                build_id=self._fingerprint.hexdigest()[:32],
                activities=self._activities,
                workflows=self._workflows,
                unsandboxed_workflow_runner=LuaWorkflowRunner(self._settings),
                max_cached_workflows=options.max_cached_workflows,
                max_concurrent_workflow_tasks=options.max_concurrent_workflow_tasks,
                max_concurrent_activities=options.max_concurrent_activities,
                max_concurrent_local_activities=options.max_concurrent_local_activities,
                max_activities_per_second=options.max_activities_per_second,
                max_task_queue_activities_per_second=options.max_task_queue_activities_per_second,
                graceful_shutdown_timeout=timedelta(seconds=options.graceful_shutdown_timeout),
                no_remote_activities=not options.activities,
            )
        except (ValueError, TypeError) as error:
            raise BuiltinError(str(error)) from error
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        polling = asyncio.create_task(worker.run())
        stopping = asyncio.create_task(self._stop.wait())
        self._started.set_result(None)
        await asyncio.wait((polling, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
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
