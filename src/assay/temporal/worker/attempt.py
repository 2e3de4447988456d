"""Activity attempts: each calls a Lua function on the script's loop and reports its completion to Core."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure

from assay import events, log_lines
from assay.errors import BuiltinError, LuaError
from assay.events import Event
from assay.lua.function import LuaFunction
from assay.lua.values import Json
from assay.temporal.core.protos import (
    ActivityCancellationDetails,
    ActivityHeartbeat,
    ActivityTaskCompletion,
    Start,
)
from assay.temporal.data import failures, payloads
from assay.temporal.telemetry.reporter import Reporter

if TYPE_CHECKING:
    from temporalio.common import MetricMeter

    from assay.temporal.telemetry.call_spans import CallSpans

HEARTBEATS_PER_TIMEOUT = 3
"""Number of background heartbeats per heartbeat timeout."""

INTERRUPT_DELAY = 0.5
"""Seconds until busy Lua code is interrupted with a cancellation error, unless it has polled `is_cancelled`."""

KILL_DELAY = 5.0
"""Seconds until Lua code that is still busy is terminated."""

_LOGGED_ATTEMPTS = 3  # the first failures are all logged; later ones rarely, as an activity may be retried for days


class AttemptOwner(Protocol):
    """The interface of `ActivityTasks` that attempts use."""

    task_queue: str
    namespace: str
    payload_limit: int
    """Maximum payload size in bytes."""
    shutdown: asyncio.Event
    """Set on the script's loop when the worker begins to shut down."""
    reporter: Reporter

    @property
    def spans(self) -> CallSpans | None:
        """Factory of attempt spans; None if tracing is off."""

    def meter(self, start: Start) -> MetricMeter:
        """Return the meter with the attributes of the activity."""

    def on_start(self, attempt: Attempt) -> None:
        """Called when an attempt starts."""

    def on_failure(self, attempt: Attempt, failure: Failure) -> None:
        """Called when an attempt has failed."""

    def complete(self, attempt: Attempt, completion: ActivityTaskCompletion, failure: Failure | None) -> None:
        """Report the completion of an attempt; `failure` is the failure inside the completion."""

    def send_heartbeat(self, heartbeat: ActivityHeartbeat) -> None:
        """Send a heartbeat. May be called on any thread."""


class Attempt:
    """An attempt of an activity.

    Created and cancelled on the worker's thread, started and completed on the script's thread. Each handover is one
    `call_soon_threadsafe`. A cancellation reaches the Lua code as an error, so it can clean up.
    """

    __slots__ = (
        "_cancel_delivered",
        "_cancel_polled",
        "_cancel_seen_at",
        "_function",
        "_last_details",
        "_task",
        "_tasks",
        "cancellation",
        "completes_later",
        "ended",
        "has_begun",
        "semaphore",
        "start",
        "timer",
        "token",
    )

    def __init__(
        self,
        tasks: AttemptOwner,
        token: bytes,
        start: Start,
        function: LuaFunction,
        semaphore: asyncio.Semaphore | None,
    ) -> None:
        self.token = token
        self.start = start
        self.semaphore = semaphore
        self.ended = False
        self.completes_later = False
        self.cancellation: ActivityCancellationDetails | None = None
        """The reasons for the cancellation; None if not cancelled."""
        self.has_begun = False
        self.timer: asyncio.TimerHandle | None = None
        """The timer of its background heartbeats, on the worker's loop."""
        self._tasks = tasks
        self._function = function
        self._task: asyncio.Task[Any] | None = None
        self._cancel_delivered = False
        self._cancel_polled = False
        self._cancel_seen_at = 0.0
        # A heartbeat without details would clear the previous details, which the next attempt needs.
        self._last_details: list[Payload] = list(start.heartbeat_details)

    @property
    def title(self) -> str:
        """Name for messages."""
        return f"activity '{self.start.activity_type}'"

    def names(self) -> dict[str, Any]:
        """Return the names of the attempt, as fields of a log line."""
        start = self.start
        return {
            "activity_type": start.activity_type,
            "activity_id": start.activity_id,
            "attempt": start.attempt,
            "workflow_id": start.workflow_execution.workflow_id,
            "run_id": start.workflow_execution.run_id,
        }

    # On the script's loop -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Call the function; an asyncio task is only made if it waits."""
        if self.cancellation is not None:
            self._end_cancelled()
        elif self.semaphore is not None or self._tasks.spans is not None:
            self._task = asyncio.ensure_future(self._run())
        else:
            self._run_inline()

    def _run_inline(self) -> None:
        host = self._function.host
        context_token = current_attempt.set(self)
        try:
            self._begin()
            task, event = host.begin_task(self._function, self._arguments(), b"json")
            if event[0] == b"wait":
                self._task = asyncio.ensure_future(self._watch(host.drive(task, event)))
                return
            result = host.finish(event)
        except BaseException as error:
            self._end_failed(error)
        else:
            self._end(result)
        finally:
            current_attempt.reset(context_token)

    async def _run(self) -> None:
        """Run in a task, within the concurrency limit and a span."""
        try:
            async with contextlib.nullcontext() if self.semaphore is None else self.semaphore:
                with contextlib.nullcontext() if self._tasks.spans is None else self._tasks.spans.activity(self.start):
                    current_attempt.set(self)
                    self._begin()
                    await self._watch(self._function.host.run(self._function, self._arguments(), b"json"))
        except asyncio.CancelledError as error:  # while waiting for the semaphore
            self._end_failed(error)

    async def _watch(self, running: Awaitable[Json | None]) -> None:
        try:
            result = await running
        except BaseException as error:
            self._end_failed(error)
        else:
            self._end(result)

    def _begin(self) -> None:
        self.has_begun = True
        self._tasks.on_start(self)

    def _arguments(self) -> list[Json]:
        return [payloads.from_payload(payload) or Json(b"null") for payload in self.start.input]

    def cancel(self) -> None:
        """Cancel the operation that the Lua code is waiting for, unless the cancellation was already delivered."""
        if self._task is not None and not self._cancel_delivered and not self.ended:
            self._cancel_delivered = True
            self._task.cancel()

    def _end(self, result: Json | None) -> None:
        if self.completes_later:
            completion = ActivityTaskCompletion()
            completion.result.will_complete_async.SetInParent()
            self._complete(completion)
            return
        problem = payloads.too_large(f"the result of {self.title}", len(result or b""), self._tasks.payload_limit)
        if problem is not None:
            self._report(events.ACTIVITY_BAD_VALUE, problem)
            self._fail(failures.application(problem, "PayloadTooLarge", non_retryable=True))
            return
        completion = ActivityTaskCompletion()
        completion.result.completed.result.CopyFrom(payloads.to_payload(result))
        self._complete(completion)

    def _end_failed(self, error: BaseException) -> None:
        if isinstance(error, SystemExit):  # `os.exit`
            on_exit = self._function.host.on_exit
            if on_exit is None:
                raise error
            on_exit()
        elif isinstance(error, asyncio.CancelledError) or (self.cancelled and _is_cancellation(error)):
            self._end_cancelled()
        elif isinstance(error, LuaError):
            failure = failures.of_lua_error(error)
            if not failures.is_benign(failure):
                text = f"{self.title} failed (attempt {self.start.attempt}): {failure.message}"
                self._report(events.ACTIVITY_FAILED, text, is_logged=_is_logged(self.start.attempt))
            self._fail(failure)
        elif isinstance(error, BuiltinError):
            text = f"{self.title}: {error}"
            self._report(events.ACTIVITY_BAD_VALUE, text)
            self._fail(failures.application(text, "BadInput", non_retryable=True))
        elif isinstance(error, OSError):  # raised only by `print`
            problem = f"cannot write the output: {error.strerror}"
            text = f"{self.title} failed (attempt {self.start.attempt}): {problem}"
            self._report(events.ACTIVITY_FAILED, text, is_logged=_is_logged(self.start.attempt))
            self._fail(failures.application(f"{self.title}: {problem}", type(error).__name__))
        else:
            self._report(events.ACTIVITY_ERROR, f"{self.title} failed unexpectedly", error=error)
            self._fail(failures.application(f"{self.title}: {error!r}", type(error).__name__))

    def _end_cancelled(self) -> None:
        reasons = self.cancellation
        if reasons is None:
            self._fail(failures.application(f"{self.title}: the script has ended", "ScriptEnded"))
        elif reasons.is_paused:
            self._fail(failures.application(f"{self.title} was paused", "ActivityPause"))
        elif reasons.is_reset:
            self._fail(failures.application(f"{self.title} was reset", "ActivityReset"))
        elif reasons.is_cancelled or reasons.is_worker_shutdown:
            completion = ActivityTaskCompletion()
            completion.result.cancelled.failure.CopyFrom(_cancelled())
            self._complete(completion)
        else:
            self._fail(_cancelled())

    def _report(self, event: Event, text: str, *, error: BaseException | None = None, is_logged: bool = True) -> None:
        self._tasks.reporter.report(
            event,
            text,
            error=error,
            is_logged=is_logged,
            **self.names(),
        )

    def _fail(self, failure: Failure) -> None:
        self._tasks.on_failure(self, failure)
        if self._tasks.spans is not None:
            self._tasks.spans.fail(failure)
        completion = ActivityTaskCompletion()
        completion.result.failed.failure.CopyFrom(failure)
        self._complete(completion, completion.result.failed.failure)

    def _complete(self, completion: ActivityTaskCompletion, failure: Failure | None = None) -> None:
        self.ended = True
        completion.task_token = self.token
        self._tasks.complete(self, completion, failure)

    # For the global `activity`, on the script's loop --------------------------------------------------------

    @property
    def cancelled(self) -> bool:
        """True if the attempt was cancelled."""
        return self.cancellation is not None

    def deliver_cancellation(self) -> bool:
        """Return true if the attempt was cancelled; the caller then has to raise the error in the Lua code."""
        self._cancel_delivered = self._cancel_delivered or self.cancelled
        return self.cancelled

    def is_cancelled(self) -> bool:
        """Return true if the attempt was cancelled. Code that polls this is expected to end by itself."""
        self._cancel_polled = self._cancel_polled or self.cancelled
        return self.cancelled

    def interruption(self) -> int:
        """Return the interruption due for busy Lua code: 0 none, 1 the cancellation error, 2 termination."""
        if self.cancellation is None or self.ended:
            return 0
        now = time.monotonic()
        self._cancel_seen_at = self._cancel_seen_at or now
        if now - self._cancel_seen_at > KILL_DELAY:
            return 2
        is_known = self._cancel_delivered or self._cancel_polled
        return 1 if not is_known and now - self._cancel_seen_at > INTERRUPT_DELAY else 0

    def heartbeat(self, details: Json | None) -> None:
        """Send a heartbeat; None repeats the last details."""
        if details is not None:
            self._last_details = [payloads.to_payload(details)]
        if not self.start.is_local:
            self.send_heartbeat()

    def previous_details(self) -> Json | None:
        """Return the last heartbeat details of the previous attempt: the first value if another SDK sent several."""
        details = self.start.heartbeat_details
        return (payloads.from_payload(details[0]) or Json(b"null")) if details else None

    def metric_meter(self) -> MetricMeter:
        """Return the meter with the attributes of this activity."""
        return self._tasks.meter(self.start)

    @property
    def namespace(self) -> str:
        """Namespace of the activity."""
        return self.start.workflow_namespace or self._tasks.namespace

    @property
    def task_queue(self) -> str:
        """Task queue of the worker."""
        return self._tasks.task_queue

    @property
    def shutdown(self) -> asyncio.Event:
        """Event that is set on the script's loop when the worker begins to shut down."""
        return self._tasks.shutdown

    def stop_timer(self) -> None:
        """Stop the background heartbeats. Must run on the worker's loop."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    # On any thread ------------------------------------------------------------------------------------------

    def send_heartbeat(self) -> None:
        """Send a heartbeat with the last details; Core throttles heartbeats."""
        heartbeat = ActivityHeartbeat(task_token=self.token, details=self._last_details)
        self._tasks.send_heartbeat(heartbeat)


current_attempt: ContextVar[Attempt] = ContextVar("assay.activity")
"""The attempt that the current task belongs to."""


def _subject() -> dict[str, Any]:
    attempt = current_attempt.get(None)
    return {} if attempt is None else attempt.names()


log_lines.subject = _subject


def _cancelled() -> Failure:
    failure = Failure(message="Cancelled")
    failure.canceled_failure_info.SetInParent()
    return failure


def _is_cancellation(error: BaseException) -> bool:
    """Return true if the error is a Lua cancellation error."""
    return isinstance(error, LuaError) and isinstance(error.value, dict) and error.value.get("kind") == "cancelled"


def _is_logged(attempt: int) -> bool:
    """Return true if a failed attempt is logged: the first ones, then the 10th, the 100th, …"""
    return attempt <= _LOGGED_ATTEMPTS or attempt == 10 ** (len(str(attempt)) - 1)
