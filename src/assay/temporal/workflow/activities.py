"""`ctx`: activities, local activities and side effects."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from assay.lua.declare import method
from assay.lua.function import LuaFunction
from assay.lua.values import Json, Name
from assay.temporal import payloads
from assay.temporal.failures import to_error_object
from assay.temporal.options import PriorityOptions, RetryPolicyOptions, priority
from assay.temporal.workflow import scopes
from assay.temporal.workflow.calls import answer, arguments, positive
from assay.temporal.workflow.futures import Future
from assay.temporal.workflow.host import HostFailure, WorkflowHost, WorkflowLimitError

SIDE_EFFECT_ACTIVITY = "assay.side_effect"
SIDE_EFFECT_TIMEOUT = timedelta(seconds=10)
DEFAULT_TIMEOUT = timedelta(seconds=300)

CancellationType = Literal["try_cancel", "wait_completed", "abandon"]

_CANCELLATION = {
    "try_cancel": workflow.ActivityCancellationType.TRY_CANCEL,
    "wait_completed": workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    "abandon": workflow.ActivityCancellationType.ABANDON,
}


@dataclass(kw_only=True)
class _Options:
    """What both kinds of activities take.

    Attributes:
        args: Several arguments in place of the one input, for activities of other languages.
        start_to_close_timeout: How long one attempt may take.
        schedule_to_close_timeout: How long all attempts may take, with the time in the queue.
        schedule_to_start_timeout: How long an attempt may wait for a worker.
        retry_policy: When and how often to try again.
        cancellation_type: When a cancelled activity ends for the workflow: "try_cancel" at once, and the activity is
            told; "wait_completed" when the activity has ended; "abandon" at once, and the activity is not told.
        activity_id: Its id; a number when left out.
        summary: What the Web UI and the history show beside it.
    """

    args: list[Json] | None = None
    start_to_close_timeout: float | None = None
    schedule_to_close_timeout: float | None = None
    schedule_to_start_timeout: float | None = None
    retry_policy: RetryPolicyOptions | None = None
    cancellation_type: CancellationType = "try_cancel"
    activity_id: str | None = None
    summary: str | None = None

    def common(self, value: Json | None) -> dict[str, Any]:
        """The SDK's arguments that both kinds take."""
        start_to_close = positive("start_to_close_timeout", self.start_to_close_timeout)
        schedule_to_close = positive("schedule_to_close_timeout", self.schedule_to_close_timeout)
        if start_to_close is None and schedule_to_close is None:
            start_to_close = DEFAULT_TIMEOUT
        return {
            "args": arguments(value, self.args),
            "result_type": RawValue,
            "start_to_close_timeout": start_to_close,
            "schedule_to_close_timeout": schedule_to_close,
            "schedule_to_start_timeout": positive("schedule_to_start_timeout", self.schedule_to_start_timeout),
            "retry_policy": self.retry_policy.to_sdk() if self.retry_policy else None,
            "cancellation_type": _CANCELLATION[self.cancellation_type],
            "activity_id": self.activity_id,
            "summary": self.summary,
        }


@dataclass(kw_only=True)
class ActivityOptions(_Options):
    """How an activity is run. All times are seconds.

    Attributes:
        heartbeat_timeout: How long an attempt may go without a heartbeat.
        task_queue: Where its worker looks for it; the workflow's own when left out.
        priority: Who goes first when workers are busy: a table, or only its `priority_key`.
    """

    heartbeat_timeout: float | None = None
    task_queue: str | None = None
    priority: int | PriorityOptions | None = None

    def to_sdk(self, value: Json | None) -> dict[str, Any]:
        """The SDK's arguments."""
        return {
            **self.common(value),
            "heartbeat_timeout": positive("heartbeat_timeout", self.heartbeat_timeout),
            "task_queue": self.task_queue,
            "priority": priority(self.priority),
        }


@dataclass(kw_only=True)
class LocalActivityOptions(_Options):
    """How a local activity is run. All times are seconds.

    Attributes:
        local_retry_threshold: Waits between attempts that are longer are timers of the server; 60 when left out.
    """

    local_retry_threshold: float | None = None

    def to_sdk(self, value: Json | None) -> dict[str, Any]:
        """The SDK's arguments."""
        threshold = positive("local_retry_threshold", self.local_retry_threshold)
        return {**self.common(value), "local_retry_threshold": threshold}


class LocalActivities:
    """The local activities of a run: they run at the same time, and their ends are told in the order of their starts.

    The SDK tells of them in the order in which they end, and on a replay in other groups than at first: code that
    starts something at the end of one would not fit its own history (sdk-python issues 1578 and 1881).
    """

    def __init__(self, host: WorkflowHost) -> None:
        self._host = host
        self._last: asyncio.Future[None] | None = None

    def start(self, name: str, **arguments: Any) -> tuple[scopes.Scope, asyncio.Task[Any]]:
        """Start one; returns a task that ends when it is its turn, in a scope of its own."""
        before, running = self._last, workflow.start_local_activity(name, **arguments)
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last = told
        scope = scopes.Scope(scopes.current())
        scope.add(running)
        task = scope.begin(self._in_turn(name, running, before))
        task.add_done_callback(lambda _: told.set_result(None))
        return scope, task

    async def _in_turn(self, name: str, running: asyncio.Task[Any], before: asyncio.Future[None] | None) -> Any:
        while not running.done():
            try:
                await asyncio.wait((running,))
            except asyncio.CancelledError:
                self._host.check_alive()
                running.cancel()
        was_cancelled = False
        while before is not None:
            try:
                # The SDK asks this when nothing else can run: all that the one before has set going has been done then.
                await workflow.wait_condition(before.done)
                break
            except asyncio.CancelledError:
                self._host.check_alive()
                was_cancelled = True
        try:
            result = running.result()
        except FailureError as error:
            raise _as_recorded(name, error) from _cause(error)
        if was_cancelled:
            raise asyncio.CancelledError
        return result


def _cause(error: FailureError) -> BaseException | None:
    return error.cause if isinstance(error, ActivityError) else error


def _as_recorded(name: str, error: FailureError) -> ActivityError:
    # A replay has the cause only, when that is a timeout; so the rest of what the SDK tells at first is left out.
    return ActivityError(
        error.message,
        scheduled_event_id=0,
        started_event_id=0,
        identity="",
        activity_type=name,
        activity_id="",
        retry_state=None,
    )


class Activities:
    """Steps whose results are in the history."""

    _host: WorkflowHost
    _local: LocalActivities

    @method
    async def execute_activity(
        self, name: Name, input: Json | None = None, options: ActivityOptions | None = None
    ) -> Json:
        """Run an activity and return its result; its failure, after the last retry, is raised.

        Args:
            name: The name under which a worker registered it.
            input: What it gets.
            options: Time limits and retries; one attempt may take 300 seconds by default.
        """
        call = workflow.start_activity(name, **(options or ActivityOptions()).to_sdk(input))
        return payloads.to_json(await answer(call))

    @method
    def start_activity(self, name: Name, input: Json | None = None, options: ActivityOptions | None = None) -> Future:
        """Start an activity and return its future.

        Args:
            name: The name under which a worker registered it.
            input: What it gets.
            options: Time limits and retries; one attempt may take 300 seconds by default.
        """
        running = workflow.start_activity(name, **(options or ActivityOptions()).to_sdk(input))
        scope = scopes.Scope(scopes.current())
        scope.add(running)
        return Future(self._host, f"activity '{name}'", scope, running)

    @method
    async def execute_local_activity(
        self, name: Name, input: Json | None = None, options: LocalActivityOptions | None = None
    ) -> Json:
        """Run an activity in this worker, without a task queue, and return its result; its failure is raised.

        For steps of less than a few seconds: the workflow hears of nothing else meanwhile.

        Args:
            name: The name under which this worker registered it.
            input: What it gets.
            options: Time limits and retries; one attempt may take 300 seconds by default.
        """
        _, running = self._start_local(name, input, options)
        return payloads.to_json(await answer(running))

    @method
    def start_local_activity(
        self, name: Name, input: Json | None = None, options: LocalActivityOptions | None = None
    ) -> Future:
        """Start an activity in this worker, without a task queue, and return its future.

        Local activities run at the same time, but end for the workflow in the order in which they were started. They
        are for steps of less than a few seconds: the workflow hears of nothing else meanwhile.

        Args:
            name: The name under which this worker registered it.
            input: What it gets.
            options: Time limits and retries; one attempt may take 300 seconds by default.
        """
        return Future(self._host, f"local activity '{name}'", *self._start_local(name, input, options))

    def _start_local(
        self, name: str, value: Json | None, options: LocalActivityOptions | None
    ) -> tuple[scopes.Scope, asyncio.Task[RawValue]]:
        arguments = (options or LocalActivityOptions()).to_sdk(value)
        known = self._host.local_activities
        if known is not None and name not in known:
            # Not the workflow's fault: a worker that has the activity carries the run on.
            raise HostFailure(RuntimeError(f"local activity '{name}' is not registered with this worker"))
        return self._local.start(name, **arguments)

    @method
    async def side_effect(self, function: LuaFunction) -> Json:
        """Run a function once in the life of the run, with the real clock and randomness; return its result.

        The result is in the history, a replay returns it without running the function. It runs on a copy of what it
        reaches: what it assigns is gone afterwards, only its result comes back.

        Args:
            function: What to run. It must not wait.
        """
        key = self._host.add_side_effect(function)
        _, running = self._local.start(
            SIDE_EFFECT_ACTIVITY,
            args=[workflow.info().run_id, key],
            result_type=RawValue,
            start_to_close_timeout=SIDE_EFFECT_TIMEOUT,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        try:
            return payloads.to_json(await running)
        except FailureError as error:
            cause = _cause(error)
            if isinstance(cause, ApplicationError) and cause.type == SIDE_EFFECT_ACTIVITY:
                raise HostFailure(WorkflowLimitError(cause.message)) from None  # it is not recorded then: it runs again
            raise to_error_object(cause if isinstance(cause, FailureError) else error) from error
        finally:
            self._host.side_effects.pop(key, None)
