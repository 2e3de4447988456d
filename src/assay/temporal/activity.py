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
from assay.temporal.worker.attempt import Attempt, live

library = Library(
    "activity",
    """The running activity: its heartbeats, its cancellation, and what the server knows of it.

    The functions work in an activity and in what it spawns with `async.spawn`; anywhere else they raise an error.

    An activity with a `heartbeat_timeout` must call `activity.heartbeat` within it, or the server counts the attempt as
    failed: so the timeout finds a worker that is gone and an activity that hangs. An activity that is registered as
    `{ run = fn, auto_heartbeat = true }` need not: the worker heartbeats for it, three times in the timeout, also while
    it waits or computes, and repeats the last details. Then the timeout finds only a worker that is gone or cut off; an
    activity that hangs is found by its `start_to_close_timeout`.

    A cancellation (the workflow's, a timeout, the end of a worker's `graceful_shutdown_timeout`) arrives with the
    answer to a heartbeat, or from the worker itself. What the activity then waits for, or else the next thing that it
    waits for, raises an error of kind "cancelled", once: code that catches it can wait while it cleans up. The
    activity counts as cancelled if that error leaves it, and as completed if it returns a result all the same.

    Code that computes, and neither waits nor asks `activity.is_cancelled()`, is interrupted by the same error, half a
    second after its cancellation or the end of its attempt; if it still computes five seconds later, it is ended.
    """,
    needs=NOTHING,
)


@dataclass
class Info:
    """What an activity knows of itself. Moments are seconds since 1970-01-01 UTC; time limits are seconds.

    Attributes:
        workflow_id: The workflow that waits for it.
        run_id: The run of that workflow.
        workflow_type: The name under which the workflow is registered.
        namespace: The namespace.
        activity_id: Its id in the workflow.
        activity_type: The name under which it is registered.
        attempt: 1, or more when it was tried again.
        task_token: What `client:complete_activity` takes, as Base64.
        task_queue: The task queue.
        is_local: Whether it runs as part of a workflow task.
        scheduled_time: When the workflow asked for it.
        current_attempt_scheduled_time: When this attempt was due.
        started_time: When this attempt began.
        start_to_close_timeout: How long one attempt may take.
        schedule_to_close_timeout: How long all attempts may take, with the time in the queue.
        heartbeat_timeout: How long an attempt may go without a heartbeat.
        retry_policy: When it is tried again, if the server sent it.
        priority: Which tasks go first.
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
    """Why an activity was cancelled: each field says whether that is a reason.

    Attributes:
        cancel_requested: The workflow asked for it.
        timed_out: It took too long.
        not_found: The server does not know it any more: its workflow has ended.
        paused: Somebody paused it.
        reset: Somebody reset it.
        worker_shutdown: The worker ends, and `graceful_shutdown_timeout` is over.
    """

    cancel_requested: bool
    timed_out: bool
    not_found: bool
    paused: bool
    reset: bool
    worker_shutdown: bool


def _attempt() -> Attempt:
    attempt = live.get(None)
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
    """Tell the server that the activity is alive and how far it is; in a cancelled activity, raise that error.

    Every call in a cancelled activity raises it. It does not wait. The server hears of it at once, or when 80 % of
    the heartbeat timeout (at most 60 seconds) have passed since the heartbeat before; the last details count.

    Args:
        details: What the next attempt finds in `activity.heartbeat_details()`; the last ones stay when left out.
    """
    attempt = _attempt()
    if attempt.notice_cancellation():
        raise ErrorObject("activity.heartbeat: the activity was cancelled", kind="cancelled")
    attempt.heartbeat(details)


@library.function()
def heartbeat_details() -> Json | None:
    """Return the last heartbeat details of the previous attempt; nil if there are none."""
    return _attempt().details_before()


@library.function()
def info() -> Info:
    """Return what the server knows of the activity."""
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
    """Return why the activity was cancelled; nil when it was not."""
    found = _attempt().cancellation
    if found is None:
        return None
    return CancellationDetails(
        cancel_requested=found.is_cancelled,
        timed_out=found.is_timed_out,
        not_found=found.is_not_found,
        paused=found.is_paused,
        reset=found.is_reset,
        worker_shutdown=found.is_worker_shutdown,
    )


@library.function()
async def wait_for_cancelled() -> None:
    """Wait until the activity is cancelled; that raises an error of kind "cancelled", as in every wait."""
    _attempt()
    await asyncio.Event().wait()


@library.function()
def is_worker_shutdown() -> bool:
    """Return true if the worker shuts down: the activity has `graceful_shutdown_timeout` left."""
    return _attempt().shutdown.is_set()


@library.function()
async def wait_for_worker_shutdown() -> None:
    """Wait until the worker is asked to end. The activity has its `graceful_shutdown_timeout` left then."""
    await _attempt().shutdown.wait()


@library.function()
def complete_async() -> None:
    """Leave the activity open when its function returns: a client completes it later.

    What the function returns is ignored; an error that it raises still fails the activity. The client needs
    `activity.info().task_token`, or the ids: see `client:complete_activity`. From the return on, heartbeats are the
    client's business too.
    """
    attempt = _attempt()
    if attempt.start.is_local:
        raise BuiltinError("a local activity cannot be completed later")
    attempt.completes_later = True
