"""One attempt of an activity: a call of a Lua function on the script's loop, which reports its own end to Core."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure

from assay import events
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
"""Background heartbeats within a heartbeat timeout."""
GRACE = 0.5
"""Seconds after which Lua code that computes is interrupted by a cancellation, unless it has asked for it."""

CLEAN_UP = 5.0
"""Seconds after which Lua code that still computes is ended."""

_LOGGED = 3  # failed attempts with a warning each: one that is tried for days would bury everything else


class AttemptOwner(Protocol):
    """What an attempt reports to: the activity tasks of a worker."""

    task_queue: str
    namespace: str
    payload_limit: int
    """The bytes that a payload may have."""
    shutdown: asyncio.Event
    """Set, on the script's loop, when the worker is asked to shut down."""
    reporter: Reporter
    """Takes what has to be reported of attempts."""

    @property
    def spans(self) -> CallSpans | None:
        """Return what makes the spans of attempts, if there are traces."""

    def meter(self, start: Start) -> MetricMeter:
        """Return the meter with the attributes of an activity."""

    def on_start(self, attempt: Attempt) -> None:
        """An attempt begins."""

    def on_failure(self, attempt: Attempt, failure: Failure) -> None:
        """An attempt has failed."""

    def complete(self, attempt: Attempt, completion: ActivityTaskCompletion, failure: Failure | None) -> None:
        """Report the end of an attempt; `failure`: the one in the completion, if there is one."""

    def send_heartbeat(self, heartbeat: ActivityHeartbeat) -> None:
        """Send a heartbeat; from any thread."""


class Attempt:
    """One attempt of an activity.

    It is made and cancelled on the worker's thread, and begins and ends on the script's; each passes it on with one
    call of `call_soon_threadsafe`. A cancellation is passed on to the Lua code, which may clean up.
    """

    __slots__ = (
        "_asked",
        "_function",
        "_last_details",
        "_noticed",
        "_over_since",
        "_task",
        "_tasks",
        "cancellation",
        "completes_later",
        "ended",
        "has_begun",
        "start",
        "timer",
        "token",
        "turns",
    )

    def __init__(
        self, tasks: AttemptOwner, token: bytes, start: Start, function: LuaFunction, turns: asyncio.Semaphore | None
    ) -> None:
        self.token = token
        self.start = start
        self.turns = turns
        self.ended = False
        self.completes_later = False
        self.cancellation: ActivityCancellationDetails | None = None
        """Why it was cancelled, once it is."""
        self.has_begun = False
        self.timer: asyncio.TimerHandle | None = None
        """Of its background heartbeats, on the worker's loop."""
        self._tasks = tasks
        self._function = function
        self._task: asyncio.Task[Any] | None = None
        self._noticed = False
        self._asked = False
        self._over_since = 0.0
        # A heartbeat without details would take the last ones away from the next attempt.
        self._last_details: list[Payload] = list(start.heartbeat_details)

    @property
    def title(self) -> str:
        """Its name in messages."""
        return f"activity '{self.start.activity_type}'"

    # On the script's loop -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Call the function; without a task if it does not wait."""
        if self.cancellation is not None:
            self._end_cancelled()
        elif self.turns is not None or self._tasks.spans is not None:
            self._task = asyncio.ensure_future(self._run())
        else:
            self._run_at_once()

    def _run_at_once(self) -> None:
        host = self._function.host
        mine = live.set(self)
        try:
            self._begin()
            task, event = host.begin_task(self._function, self._arguments(), b"json")
            if event[0] == b"wait":
                self._task = asyncio.ensure_future(self._watch(host.drive(task, event)))
                return
            host.launch()
            result = host.result(event)
        except BaseException as error:
            self._end_failed(error)
        else:
            self._end(result)
        finally:
            live.reset(mine)

    async def _run(self) -> None:
        """Run in a task, within a turn and a span."""
        try:
            async with contextlib.nullcontext() if self.turns is None else self.turns:
                with contextlib.nullcontext() if self._tasks.spans is None else self._tasks.spans.activity(self.start):
                    live.set(self)
                    self._begin()
                    await self._watch(self._function.host.run(self._function, self._arguments(), b"json"))
        except asyncio.CancelledError as error:  # while it waits for its turn
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
        """Interrupt what the Lua code waits for, unless the code knows of the cancellation already."""
        if self._task is not None and not self._noticed and not self.ended:
            self._noticed = True
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
        start = self.start
        self._tasks.reporter.report(
            event,
            text,
            error=error,
            is_logged=is_logged,
            activity_type=start.activity_type,
            activity_id=start.activity_id,
            attempt=start.attempt,
            workflow_id=start.workflow_execution.workflow_id,
            run_id=start.workflow_execution.run_id,
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

    # What the global `activity` asks, on the script's loop --------------------------------------------------

    @property
    def cancelled(self) -> bool:
        """Return true if it was cancelled."""
        return self.cancellation is not None

    def notice_cancellation(self) -> bool:
        """Return true if the activity was cancelled; the Lua code knows it from now on."""
        self._noticed = self._noticed or self.cancelled
        return self.cancelled

    def is_cancelled(self) -> bool:
        """Return true if the activity was cancelled: code that asks can end by itself."""
        self._asked = self._asked or self.cancelled
        return self.cancelled

    def interruption(self) -> int:
        """Return what is due to Lua code that computes: 0 nothing, 1 the cancellation, 2 an end: `CLEAN_UP` is over."""
        if self.cancellation is None or self.ended:
            return 0
        now = time.monotonic()
        self._over_since = self._over_since or now
        if now - self._over_since > CLEAN_UP:
            return 2
        knows = self._noticed or self._asked
        return 1 if not knows and now - self._over_since > GRACE else 0

    def heartbeat(self, details: Json | None) -> None:
        """Send a heartbeat, with the last details when there are no new ones."""
        if details is not None:
            self._last_details = [payloads.to_payload(details)]
        if not self.start.is_local:
            self.send_heartbeat()

    def details_before(self) -> Json | None:
        """The details of the attempt before: the first, if another SDK sent several."""
        details = self.start.heartbeat_details
        return (payloads.from_payload(details[0]) or Json(b"null")) if details else None

    def metric_meter(self) -> MetricMeter:
        """The meter with the attributes of this activity."""
        return self._tasks.meter(self.start)

    @property
    def namespace(self) -> str:
        """The namespace that it runs in."""
        return self.start.workflow_namespace or self._tasks.namespace

    @property
    def task_queue(self) -> str:
        """The task queue that it came from."""
        return self._tasks.task_queue

    @property
    def shutdown(self) -> asyncio.Event:
        """Set, on the script's loop, when the worker is asked to shut down."""
        return self._tasks.shutdown

    def stop_timer(self) -> None:
        """End the background heartbeats; on the worker's loop."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    # On any thread ------------------------------------------------------------------------------------------

    def send_heartbeat(self) -> None:
        """Send the last details; Core throttles."""
        heartbeat = ActivityHeartbeat(task_token=self.token, details=self._last_details)
        self._tasks.send_heartbeat(heartbeat)


live: ContextVar[Attempt] = ContextVar("assay.activity")
"""The attempt on whose behalf a task runs."""


def _cancelled() -> Failure:
    failure = Failure(message="Cancelled")
    failure.canceled_failure_info.SetInParent()
    return failure


def _is_cancellation(error: BaseException) -> bool:
    """Return true if a Lua error is that of a cancellation."""
    return isinstance(error, LuaError) and isinstance(error.value, dict) and error.value.get("kind") == "cancelled"


def _is_logged(attempt: int) -> bool:
    """Return true if a failed attempt is worth a warning: the first ones, then the 10th, the 100th, …"""
    return attempt <= _LOGGED or attempt == 10 ** (len(str(attempt)) - 1)
