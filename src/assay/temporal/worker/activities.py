"""Activity tasks: start and cancel attempts on the script's loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temporalio.api.failure.v1 import Failure

from assay import events
from assay.errors import BuiltinError
from assay.lua.function import LuaFunction
from assay.temporal.core.bridge import CoreWorker
from assay.temporal.core.protos import ActivityHeartbeat, ActivityTask, ActivityTaskCompletion, Start
from assay.temporal.data import failures
from assay.temporal.telemetry.reporter import Reporter
from assay.temporal.worker.attempt import HEARTBEATS_PER_TIMEOUT, Attempt
from assay.temporal.worker.codec import MessageCodec
from assay.temporal.worker.side_effects import SideEffects
from assay.temporal.workflow.ctx.activities import SIDE_EFFECT_ACTIVITY

if TYPE_CHECKING:
    from temporalio.common import MetricMeter

    from assay.temporal.telemetry.call_spans import CallSpans


@dataclass(kw_only=True)
class ActivityEntry:
    """An activity with its own options.

    Attributes:
        run: The function. It is called with the input and returns the result.
        max_concurrent: Maximum number of concurrent attempts of this activity on this worker. An attempt that waits
            for a free slot counts as started for the server: its `start_to_close_timeout` runs, the worker heartbeats
            for it, and it counts towards `max_concurrent_activities`.
        auto_heartbeat: Heartbeat in the background, three times per `heartbeat_timeout`, even while the activity waits
            or computes. The timeout then only detects a lost worker. Without this option the activity calls
            `activity.heartbeat` itself, and the timeout also detects an activity that hangs.
    """

    run: LuaFunction
    max_concurrent: int | None = None
    auto_heartbeat: bool = False


class _Activity:
    """A registered activity and the semaphore of its `max_concurrent`."""

    __slots__ = ("entry", "semaphore")

    def __init__(self, entry: ActivityEntry) -> None:
        self.entry = entry
        self.semaphore = None if entry.max_concurrent is None else asyncio.Semaphore(entry.max_concurrent)


class ActivityTasks:
    """The activity tasks of a worker: taken on the worker's thread, completed on the script's thread.

    Test environments override `on_start`, `on_failure` and `unknown`.
    """

    def __init__(
        self,
        entries: Sequence[tuple[str | None, ActivityEntry]],
        script: asyncio.AbstractEventLoop,
        task_queue: str,
    ) -> None:
        """`entries`: None is the name of the dynamic activity; `script`: the loop that attempts run on."""
        self._activities = {name: _Activity(entry) for name, entry in entries}
        self._script = script
        self.task_queue = task_queue
        self.namespace = ""
        self.payload_limit = 0
        self.reporter = Reporter()
        self.shutdown = asyncio.Event()
        """Set on the script's loop when the worker begins to shut down."""
        self._attempts: dict[bytes, Attempt] = {}
        self._core: CoreWorker
        self._codec: MessageCodec
        self._spans: CallSpans | None
        self._meter: MetricMeter
        self._side_effects: SideEffects
        self._worker: asyncio.AbstractEventLoop
        self._idle: asyncio.Event | None = None

    def attach(
        self,
        core: CoreWorker,
        codec: MessageCodec,
        spans: CallSpans | None,
        meter: MetricMeter,
        side_effects: SideEffects,
        namespace: str,
        payload_limit: int,
        reporter: Reporter,
    ) -> None:
        """Attach to a Core worker, before its first task. Must run on the worker's thread."""
        self._core, self._codec, self._spans, self._meter = core, codec, spans, meter
        self._side_effects = side_effects
        self.namespace, self.payload_limit, self.reporter = namespace, payload_limit, reporter
        self._worker = asyncio.get_running_loop()
        self._idle = None
        self._script.call_soon_threadsafe(self.shutdown.clear)

    @property
    def running(self) -> int:
        """Number of attempts that have not been reported."""
        return len(self._attempts)

    # On the worker's thread ---------------------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        """Start or cancel an attempt."""
        task = ActivityTask.FromString(data)
        if task.HasField("cancel"):
            attempt = self._attempts.get(task.task_token)
            if attempt is not None:
                attempt.cancellation = task.cancel.details
                self._script.call_soon_threadsafe(attempt.cancel)
            return
        try:
            self._codec.open(task, data)
            self._start(task.task_token, task.start)
        except BuiltinError as error:
            text = f"Failed decoding arguments: {error}"
            self.reporter.report(events.ACTIVITY_UNREADABLE, text)
            self._fail(task.task_token, failures.application(text, "ApplicationError"))

    def _start(self, token: bytes, start: Start) -> None:
        if start.activity_type == SIDE_EFFECT_ACTIVITY and start.is_local:
            self._side_effects.take(token, start)
            return
        activity = self._activities.get(start.activity_type) or self._activities.get(None)
        if activity is None:
            self._fail(token, self.unknown(start.activity_type))
            return
        attempt = Attempt(self, token, start, activity.entry.run, activity.semaphore)
        self._attempts[token] = attempt
        if activity.entry.auto_heartbeat or activity.semaphore is not None:
            self._keep_alive(attempt, always=activity.entry.auto_heartbeat)
        self._script.call_soon_threadsafe(attempt.begin)

    def _fail(self, token: bytes, failure: Failure) -> None:
        """Fail a task for which no attempt was started."""
        completion = ActivityTaskCompletion(task_token=token)
        completion.result.failed.failure.CopyFrom(failure)
        self._codec.seal(completion, completion.result.failed.failure)
        sending: Any = self._core.complete_activity_task(completion.SerializeToString())
        sending.add_done_callback(functools.partial(self._reported, "an activity that was not started"))

    def _keep_alive(self, attempt: Attempt, *, always: bool) -> None:
        """Heartbeat on this thread, which the script cannot block; unless `always`, only until the attempt begins."""
        interval = attempt.start.heartbeat_timeout.ToTimedelta().total_seconds() / HEARTBEATS_PER_TIMEOUT
        if interval <= 0 or attempt.start.is_local:
            return

        def beat() -> None:
            if not attempt.ended and (always or not attempt.has_begun):
                attempt.send_heartbeat()
                attempt.timer = self._worker.call_later(interval, beat)

        attempt.timer = self._worker.call_later(interval, beat)

    def unknown(self, name: str) -> Failure:
        """Return a retryable failure for an activity that is not registered here: another worker may have it."""
        known = ", ".join(sorted(known for known in self._activities if known is not None)) or "none"
        text = f"activity '{name}' is not registered (registered: {known})"
        self.reporter.report(events.ACTIVITY_UNKNOWN, text, activity_type=name)
        return failures.application(text, "NotFoundError")

    def announce_shutdown(self) -> None:
        """Notify running activities that the worker shuts down."""
        self._script.call_soon_threadsafe(self.shutdown.set)

    async def drained(self) -> None:
        """Wait until all completions are reported."""
        self._idle = asyncio.Event()
        if self._attempts:
            await self._idle.wait()
        await self._side_effects.drained()

    # On the script's loop -----------------------------------------------------------------------------------

    def complete(self, attempt: Attempt, completion: ActivityTaskCompletion, failure: Failure | None) -> None:
        """Report the completion of an attempt; `failure` is the failure inside the completion."""
        if attempt.start.is_local:
            run_id, size = attempt.start.workflow_execution.run_id, completion.result.ByteSize()
            problem = self._side_effects.expect(run_id, attempt.title, size)
            if problem is not None:
                failure = completion.result.failed.failure
                failure.CopyFrom(problem)
        self._codec.seal(completion, failure)
        sending: Any = self._core.complete_activity_task(completion.SerializeToString())
        sending.add_done_callback(functools.partial(self._completed, attempt))

    def _completed(self, attempt: Attempt, sending: asyncio.Future[None]) -> None:
        self._reported(attempt.title, sending)
        del self._attempts[attempt.token]
        if attempt.timer is not None:
            self._worker.call_soon_threadsafe(attempt.stop_timer)
        if self._idle is not None and not self._attempts:
            self._worker.call_soon_threadsafe(self._idle.set)

    def meter(self, start: Start) -> MetricMeter:
        """Return the meter with the attributes of the activity."""
        return self._meter.with_additional_attributes(
            {
                "namespace": start.workflow_namespace or self.namespace,
                "task_queue": self.task_queue,
                "activity_type": start.activity_type,
            }
        )

    @property
    def spans(self) -> CallSpans | None:
        """Factory of attempt spans; None if tracing is off."""
        return self._spans

    def on_start(self, attempt: Attempt) -> None:
        """Called when an attempt starts."""

    def on_failure(self, attempt: Attempt, failure: Failure) -> None:
        """Called when an attempt has failed."""

    # On any thread ------------------------------------------------------------------------------------------

    def send_heartbeat(self, heartbeat: ActivityHeartbeat) -> None:
        """Send a heartbeat; Core throttles heartbeats."""
        self._codec.seal(heartbeat)
        self._core.record_activity_heartbeat(heartbeat.SerializeToString())

    def _reported(self, title: str, sending: asyncio.Future[None]) -> None:
        if not sending.cancelled() and sending.exception() is not None:
            text = f"{title}: cannot report the completion: {sending.exception()}"
            self.reporter.report(events.ACTIVITY_NOT_REPORTED, text)
