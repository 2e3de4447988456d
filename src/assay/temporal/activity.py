"""The global `activity`: the running activity, for the code of activities."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from assay.errors import BuiltinError, ErrorObject
from assay.lua.declare import Library
from assay.lua.values import Json, Seconds
from assay.permissions.needs import NOTHING
from assay.temporal.data.options import PriorityOptions, RetryPolicyOptions
from assay.temporal.telemetry.meter import MetricMeter
from assay.temporal.worker.attempt import Attempt, current_attempt

library = Library(
    "activity",
    """The running activity: heartbeats, cancellation, and information about it.

    The functions work in an activity and in tasks that it spawns with `async.spawn`; anywhere else they raise an error.

    An activity with a `heartbeat_timeout` must call `activity.heartbeat` within that time; otherwise the server counts
    the attempt as failed. The timeout detects a crashed worker and a hanging activity. For an activity that is
    registered as `{ run = fn, auto_heartbeat = true }`, the worker sends the heartbeats, three times per timeout, even
    while the activity waits or computes, and repeats the last details. The timeout then detects only a worker that
    crashed or lost its connection; a hanging activity is detected by its `start_to_close_timeout`.

    A cancellation (by the workflow, by a timeout, or at the end of the worker's `graceful_shutdown_timeout`) arrives
    with the response to a heartbeat, or from the worker itself. The current wait of the activity, or else its next one,
    raises an error of kind "cancelled". It is raised only once, so that code that catches it can wait while it cleans
    up. The activity counts as cancelled if that error leaves it, and as completed if it returns a result all the same.

    Code that computes without waiting or calling `activity.is_cancelled()` is interrupted by the same error, half a
    second after its cancellation or the end of its attempt; if it still computes five seconds later, it is terminated.
    """,
    needs=NOTHING,
)


@dataclass
class Info:
    """Information about an activity. Times are seconds since 1970-01-01 UTC; timeouts are seconds.

    Attributes:
        workflow_id: Id of the workflow that scheduled it.
        run_id: Run id of that workflow.
        workflow_type: Type of that workflow.
        namespace: Namespace.
        activity_id: Id of the activity, unique in its workflow.
        activity_type: Type of the activity.
        attempt: Number of the attempt, from 1.
        task_token: Token for `client:complete_activity`, in Base64.
        task_queue: Task queue.
        is_local: Whether it is a local activity.
        scheduled_time: Time at which the activity was scheduled.
        current_attempt_scheduled_time: Time at which this attempt was scheduled.
        started_time: Time at which this attempt started.
        start_to_close_timeout: Maximum duration of one attempt.
        schedule_to_close_timeout: Maximum duration of all attempts, including the time in the queue.
        heartbeat_timeout: Maximum time between two heartbeats.
        retry_policy: Retry policy, if the server sent it.
        priority: Task priority and fairness.
    """

    workflow_id: str | None
    run_id: str | None
    workflow_type: str | None
    namespace: str
    activity_id: str
    activity_type: str
    attempt: int
    task_token: str
    task_queue: str
    is_local: bool
    scheduled_time: float
    current_attempt_scheduled_time: float
    started_time: float
    start_to_close_timeout: float | None
    schedule_to_close_timeout: float | None
    heartbeat_timeout: float | None
    retry_policy: RetryPolicyOptions | None
    priority: PriorityOptions


@dataclass
class CancellationDetails:
    """Reasons for the cancellation of an activity. Several can be true.

    Attributes:
        cancel_requested: Cancellation was requested.
        timed_out: A timeout expired.
        not_found: The server no longer knows the activity: its workflow has ended.
        paused: The activity was paused.
        reset: The activity was reset.
        worker_shutdown: The worker is shutting down, and `graceful_shutdown_timeout` has expired.
    """

    cancel_requested: bool
    timed_out: bool
    not_found: bool
    paused: bool
    reset: bool
    worker_shutdown: bool


def _attempt() -> Attempt:
    attempt = current_attempt.get(None)
    if attempt is None:
        raise BuiltinError("not in an activity")
    if attempt.ended:
        raise BuiltinError("the activity has ended")
    return attempt


def _seconds(duration: Duration) -> float | None:
    return duration.ToNanoseconds() / 1e9 or None


def _moment(timestamp: Timestamp) -> float:
    return timestamp.ToMicroseconds() / 1e6


@library.function()
def heartbeat(details: Json | None = None) -> None:
    """Send a heartbeat with the activity's progress. Raise an error of kind "cancelled" if the activity is cancelled.

    Every call in a cancelled activity raises it. It does not wait. Heartbeats are throttled: one is sent at once, or
    when 80 % of the heartbeat timeout (at most 60 seconds) have passed since the previous one, with the last details.

    Args:
        details: Progress for `activity.heartbeat_details()` in the next attempt; if omitted, the last details are kept.
    """
    attempt = _attempt()
    if attempt.deliver_cancellation():
        raise ErrorObject("activity.heartbeat: the activity was cancelled", kind="cancelled")
    attempt.heartbeat(details)


@library.function()
def heartbeat_details() -> Json | None:
    """Return the last heartbeat details of the previous attempt, or nil."""
    return _attempt().previous_details()


@library.function()
def info() -> Info:
    """Return information about the activity."""
    attempt = _attempt()
    start = attempt.start
    execution = start.workflow_execution
    policy, priority = start.retry_policy, start.priority
    return Info(
        workflow_id=execution.workflow_id or None,
        run_id=execution.run_id or None,
        workflow_type=start.workflow_type or None,
        namespace=attempt.namespace,
        activity_id=start.activity_id,
        activity_type=start.activity_type,
        attempt=start.attempt,
        task_token=base64.b64encode(attempt.token).decode(),
        task_queue=attempt.task_queue,
        is_local=start.is_local,
        scheduled_time=_moment(start.scheduled_time),
        current_attempt_scheduled_time=_moment(start.current_attempt_scheduled_time),
        started_time=_moment(start.started_time),
        start_to_close_timeout=_seconds(start.start_to_close_timeout),
        schedule_to_close_timeout=_seconds(start.schedule_to_close_timeout),
        heartbeat_timeout=_seconds(start.heartbeat_timeout),
        retry_policy=(
            RetryPolicyOptions(
                initial_interval=Seconds(_seconds(policy.initial_interval) or 1),
                backoff_coefficient=policy.backoff_coefficient or 2,
                maximum_interval=None if (longest := _seconds(policy.maximum_interval)) is None else Seconds(longest),
                maximum_attempts=policy.maximum_attempts,
                non_retryable_errors=list(policy.non_retryable_error_types) or None,
            )
            if start.HasField("retry_policy")
            else None
        ),
        priority=PriorityOptions(
            priority_key=priority.priority_key or None,
            fairness_key=priority.fairness_key or None,
            fairness_weight=priority.fairness_weight or None,
        ),
    )


@library.function()
def metric_meter() -> MetricMeter:
    """Return the metric meter."""
    return MetricMeter(_attempt().metric_meter())


@library.function()
def is_cancelled() -> bool:
    """Return true if the activity was cancelled."""
    return _attempt().is_cancelled()


@library.function()
def cancellation_details() -> CancellationDetails | None:
    """Return the reasons for the cancellation of the activity, or nil if it is not cancelled."""
    details = _attempt().cancellation
    if details is None:
        return None
    return CancellationDetails(
        cancel_requested=details.is_cancelled,
        timed_out=details.is_timed_out,
        not_found=details.is_not_found,
        paused=details.is_paused,
        reset=details.is_reset,
        worker_shutdown=details.is_worker_shutdown,
    )


@library.function()
async def wait_for_cancelled() -> None:
    """Wait until the activity is cancelled, then raise an error of kind "cancelled", as every wait does."""
    _attempt()
    await asyncio.Event().wait()


@library.function()
def is_worker_shutdown() -> bool:
    """Return true if the worker is shutting down; the activity then has `graceful_shutdown_timeout` to end."""
    return _attempt().shutdown.is_set()


@library.function()
async def wait_for_worker_shutdown() -> None:
    """Wait until the worker begins to shut down; the activity then has `graceful_shutdown_timeout` to end."""
    await _attempt().shutdown.wait()


@library.function()
def complete_async() -> None:
    """Leave the activity open when its function returns, for a client to complete it later.

    The function's result is ignored; an error that it raises still fails the activity. The client needs
    `activity.info().task_token`, or the ids: see `client:complete_activity`. Once the function has returned, the client
    must also send the heartbeats.
    """
    attempt = _attempt()
    if attempt.start.is_local:
        raise BuiltinError("a local activity cannot be completed asynchronously")
    attempt.completes_later = True
