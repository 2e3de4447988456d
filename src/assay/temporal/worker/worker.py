"""The worker handle, and the thread that polls for it: busy Lua code in the script never blocks polling."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import hashlib
import os
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from temporalio.common import MetricMeter
from temporalio.service import ServiceClient

from assay import events
from assay.errors import BuiltinError, ErrorObject
from assay.lua.declare import method
from assay.lua.host import Host
from assay.lua.loop import new_event_loop
from assay.temporal.connection import configuration
from assay.temporal.connection.connect import connect
from assay.temporal.core.bridge import make_worker
from assay.temporal.data.codec import make_codec
from assay.temporal.telemetry import listen_address, logs, tracing
from assay.temporal.telemetry.reporter import Reporter
from assay.temporal.telemetry.runtime import MetricsOptions, shared_runtime
from assay.temporal.worker import config, health, lifecycle, preflight, stopping
from assay.temporal.worker.activities import ActivityTasks
from assay.temporal.worker.allocator import release_freed_memory
from assay.temporal.worker.codec import MessageCodec
from assay.temporal.worker.loops import Loops, PollRejectedError
from assay.temporal.worker.nexus import NexusTasks
from assay.temporal.worker.options import WorkerOptions
from assay.temporal.worker.outage import Outage
from assay.temporal.worker.side_effects import SideEffects
from assay.temporal.worker.workflows import WorkflowTasks
from assay.temporal.workflow.runs import Observer, Runs
from assay.temporal.workflow.sandbox.limits import WorkflowLimits
from assay.temporal.workflow.settings import Definition, Settings

ABANDON_MARGIN = 5.0
"""Seconds after the graceful shutdown timeout until activities that are still running are abandoned."""

POOL_SIZE = (os.cpu_count() or 1) + 4
"""Number of threads for slow runs and side effects."""


def _title(workflow_type: str | None) -> str:
    return "the dynamic workflow" if workflow_type is None else f"workflow '{workflow_type}'"


class Worker:
    """A running worker."""

    lua_name: ClassVar[str] = "temporal.Worker"
    lua_prefix: ClassVar[str] = "handle"
    always_takes_activities: ClassVar[bool] = False
    """Poll for activities even if none is registered."""

    def __init__(self, host: Host, options: WorkerOptions) -> None:
        options.check()
        self._host = host
        self._options = options
        self.permissions = host.permissions
        """Permissions of the script."""
        self._script = asyncio.get_running_loop()
        self._settings = Settings(
            libraries=host.libraries,
            limits=options.workflow_limits or WorkflowLimits(),
        )
        self._definitions: list[Definition] | None = None
        self._runs: Runs | None = None
        self._workflow_tasks: WorkflowTasks | None = None
        self._activities: ActivityTasks | None = None
        self._fingerprint = hashlib.sha256()  # of the workflow code: the default build id
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._outage: Outage | None = None
        self._metrics: MetricsOptions | None = None

    @property
    def options(self) -> WorkerOptions:
        """Options of the worker."""
        return self._options

    @property
    def settings(self) -> Settings:
        """Settings that its workflows share."""
        return self._settings

    def definitions(self) -> list[Definition]:
        """Return the registered workflows with their snapshots, which are taken once."""
        if self._definitions is None:
            self._definitions = [
                Definition(
                    name,
                    self._host.snapshot(entry.run, _title(name)),
                    entry.behavior,
                    (entry.on_workflow_error or self._options.on_workflow_error) == "suspend",
                )
                for name, entry in self._options.all_workflows()
            ]
        return self._definitions

    def tracebacks(self) -> list[tuple[str, str]]:
        """Return the id and the Lua traceback of each cached run."""
        return [] if self._runs is None else self._runs.tracebacks()

    def has_run(self, run_id: str) -> bool:
        """Return true if the run is cached."""
        return self._runs is not None and self._runs.find(run_id) is not None

    async def state_of(self, run_id: str) -> dict[str, Any] | None:
        """Return what a cached run is waiting for (see `waits.state`); None if it is busy or not cached.

        May be awaited on any loop.
        """
        if self._loop is None or self._workflow_tasks is None or self._loop.is_closed():
            return None
        return await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(self._workflow_tasks.state_of(run_id), self._loop)
        )

    def make_observer(self) -> Observer:
        """Make the observer of the worker's runs."""
        return Observer()

    def make_activities(self) -> ActivityTasks:
        """Make the handler of activity tasks."""
        options = self._options
        return ActivityTasks(options.all_activities(), self._script, options.task_queue)

    async def start(self) -> None:
        """Connect and start polling. Raises BuiltinError or ErrorObject."""
        # Only set here: tools that replay take results from the history, so they need no registered activities.
        is_open = self._options.dynamic_activity is not None
        self._settings.local_activities = None if is_open else frozenset(self._options.activities)
        for definition in self.definitions():
            self._fingerprint.update(definition.code)
        self._runs = Runs(self.definitions(), self._settings, self.make_observer())
        self._activities = self.make_activities()
        if self._options.all_activities():
            stopping.watch(self._host)
        logs.configure(self._host.verbose)
        threading.Thread(target=self._main, name=f"temporal-{self._options.task_queue}", daemon=True).start()
        await asyncio.wrap_future(self._started)
        self._host.services.add(self)

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
        address = self._host.health or self._options.health
        if self._options.health is not None and address == self._options.health:  # requested by the script
            self.permissions.check_host("net", *listen_address.parse("health", address), listen=True)
        sharing = self._host.sharing
        announce = None if sharing is None else sharing.announce_health
        async with health.served(address, self._options.task_queue, self._unready_reason, announce) as endpoint:
            is_for_metrics = self._options.metrics is not None and self._options.metrics.prometheus == address
            await self._work(endpoint if is_for_metrics else None)

    @property
    def _build_fingerprint(self) -> str:
        return self._fingerprint.hexdigest()[:32]

    def _unready_reason(self) -> str | None:
        """Return why the worker is not ready; None if it polls."""
        if self._stop is None or self._outage is None or not self._started.done():
            return "connecting"
        return "draining" if self._stop.is_set() else self._outage.unready_reason

    async def _work(self, endpoint: health.Endpoint | None) -> None:
        """Poll until the worker ends; `endpoint` is the health endpoint if it also serves the metrics."""
        options, runs = self._options, self._runs
        assert runs is not None
        permissions = self.permissions
        if options.metrics is not None:
            await asyncio.to_thread(options.metrics.check_permissions, permissions)
            self._metrics = await self._process_metrics(options.metrics, endpoint)
        settings = configuration.resolve(options, permissions)
        service = await connect(
            "temporal.worker",
            options,
            task_queue=options.task_queue,
            runtime=shared_runtime(self._metrics),
            permissions=permissions,
        )
        await preflight.check_task_queue(service, settings.namespace, options.task_queue)
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        pool = ThreadPoolExecutor(POOL_SIZE, thread_name_prefix=f"temporal-{options.task_queue}")
        meter = None if self._metrics is None else shared_runtime(self._metrics).metric_meter
        reporter = Reporter(meter, namespace=settings.namespace, task_queue=options.task_queue)
        self._settings.reporter = reporter
        loops = await self._make_loops(service, settings.namespace, pool)
        outage = self._outage = Outage(service, settings, options.task_queue, reporter)
        final_errors: list[ErrorObject] = []

        def give_up(error: ErrorObject) -> None:
            final_errors.append(error)
            self.request_shutdown()

        watching = asyncio.create_task(outage.watch(give_up))
        lifecycle.report_start(reporter, options, settings, config.build_id(options, self._build_fingerprint))
        self._started.set_result(None)
        release_freed_memory()
        try:
            while (rejection := await self._poll(loops)) is not None:
                await outage.until_accepted(rejection, self._stop)  # raises if the rejection is final
                if self._stop.is_set():
                    break
                runs.close()
                loops = await self._make_loops(service, settings.namespace, pool)
            if final_errors:
                raise final_errors[0]
        finally:
            watching.cancel()
            pool.shutdown(wait=False)
            lifecycle.report_end(reporter, options)

    async def _process_metrics(self, metrics: MetricsOptions, endpoint: health.Endpoint | None) -> MetricsOptions:
        """Return the metrics options of this process: each of several processes has its own tag and address.

        Raises BuiltinError.
        """
        metrics.to_sdk()  # raises for invalid options before anything is announced
        sharing = self._host.sharing
        if sharing is None:
            return metrics if endpoint is None else dataclasses.replace(metrics, prometheus=endpoint.expose_metrics())
        tags = {**(metrics.global_tags or {}), "process": str(sharing.number)}
        try:
            address = None if metrics.prometheus is None else await sharing.metrics_address(metrics.prometheus)
        except BuiltinError as error:
            raise BuiltinError(f"bad option 'metrics' ({error})") from error
        return dataclasses.replace(metrics, prometheus=address, global_tags=tags)

    async def _make_loops(self, service: ServiceClient, namespace: str, pool: ThreadPoolExecutor) -> Loops:
        """Make a Core worker and the handlers of its tasks. Raises BuiltinError or ErrorObject."""
        options, activities, runs = self._options, self._activities, self._runs
        assert activities is not None
        assert runs is not None
        types = config.task_types(options, takes_activities=self.always_takes_activities)
        try:
            worker = make_worker(service, config.core_config(options, namespace, self._build_fingerprint, types))
        except ValueError as error:
            raise BuiltinError(str(error)) from error
        try:
            limit = await preflight.payload_limit(worker, namespace)
        except ErrorObject:
            worker.initiate_shutdown()
            await worker.finalize_shutdown()  # otherwise no other worker of the task queue may use the connection
            raise
        meter = shared_runtime(self._metrics).metric_meter
        self._set_up_runs(namespace, limit, meter)
        codec = MessageCodec(make_codec(options.codec))
        spans = tracing.call_spans(options.tracing)
        reporter = self._settings.reporter
        side_effects = SideEffects(runs, pool, worker, codec, limit, reporter)
        activities.attach(worker, codec, spans, meter, side_effects, namespace, limit, reporter)
        loops = Loops(worker, reporter)
        if types.enable_workflows:
            self._workflow_tasks = WorkflowTasks(runs, pool, worker, codec, reporter)
            loops.add(worker.poll_workflow_activation, self._workflow_tasks)
        if types.enable_local_activities or types.enable_remote_activities:
            loops.add(worker.poll_activity_task, activities)
        if types.enable_nexus:
            nexus = NexusTasks(
                options.nexus_services,
                self._script,
                worker,
                codec,
                spans,
                service=service,
                namespace=namespace,
                task_queue=options.task_queue,
                payload_limit=limit,
                reporter=reporter,
            )
            loops.add(worker.poll_nexus_task, nexus)
        return loops

    def _set_up_runs(self, namespace: str, payload_limit: int, meter: MetricMeter) -> None:
        settings, options = self._settings, self._options
        settings.namespace, settings.task_queue, settings.payload_limit = namespace, options.task_queue, payload_limit
        settings.hides_failures = options.codec is not None
        settings.spans = tracing.workflow_spans(options.tracing)
        # The rate limit does not cover eager activities.
        settings.no_eager_activities = (
            options.disable_eager_activity_execution or options.max_activities_per_second is not None
        )
        settings.meter = lambda workflow_type: meter.with_additional_attributes(
            {"namespace": namespace, "task_queue": options.task_queue, "workflow_type": workflow_type}
        )

    async def _poll(self, loops: Loops) -> PollRejectedError | None:
        """Poll until a shutdown is requested, then drain. Returns the error if the server rejects the polls."""
        assert self._stop is not None
        assert self._activities is not None
        polling = asyncio.create_task(loops.run(self._stop, self._activities.announce_shutdown))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait((polling, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if self._stop.is_set():
            lifecycle.report_drain(self._settings.reporter, self._options, self._activities.running)
        await asyncio.wait((polling,), timeout=self._options.graceful_shutdown_timeout + ABANDON_MARGIN)
        if polling.done():
            return polling.result()
        polling.cancel()
        text = "temporal.worker: shutdown timed out; abandoning running activities"
        self._settings.reporter.report(events.ACTIVITIES_ABANDONED, text)
        return None

    def request_shutdown(self) -> None:
        """Start draining. May be called repeatedly and from any thread."""
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    def __await__(self) -> Generator[Any, None, None]:
        """Wait until the worker has ended. Raises its error if it ended without a shutdown request."""
        return asyncio.shield(asyncio.wrap_future(self._ended)).__await__()

    @method
    def is_running(self) -> bool:
        """Return true while the worker polls."""
        return not self._ended.done() and not (self._stop is not None and self._stop.is_set())

    @method
    async def shutdown(self) -> None:
        """Stop polling and wait until running activities have ended.

        Activities that take longer than `graceful_shutdown_timeout` are cancelled.
        """
        self.request_shutdown()
        await self

    @method
    async def wait(self) -> None:
        """Wait until the worker has ended."""
        await self
