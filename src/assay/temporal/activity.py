"""The global `activity`: what the code of an activity can ask and tell."""

from __future__ import annotations

import asyncio
import base64
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from assay.errors import BuiltinError, ErrorObject
from assay.lua.declare import Library
from assay.lua.values import Json
from assay.permissions.needs import NOTHING
from assay.temporal.meter import MetricMeter
from assay.temporal.options import PriorityOptions, RetryPolicyOptions

if TYPE_CHECKING:
    from assay.temporal.activities import Attempt

library = Library(
    "activity",
    """The activity that runs: its heartbeats, its cancellation, and what the server told of it.

    The functions work in an activity and in what it spawns with `async.spawn`; anywhere else they raise an error.

    An activity with a `heartbeat_timeout` sends heartbeats by itself, three in that time, also while it waits or
    computes: each repeats the last details. So the timeout tells the server that the worker is gone or cut off; an
    activity that hangs is found by its `start_to_close_timeout`.

    A cancellation (the workflow's, a timeout, the end of a worker's `graceful_shutdown_timeout`) arrives with the
    answer to a heartbeat, or from the worker itself. What the activity then waits for, or else the next thing that it
    waits for, raises an error of kind "cancelled", once: code that catches it can wait while it cleans up. The
    activity counts as cancelled if that error leaves it, and as completed if it returns a result all the same.
    """,
    needs=NOTHING,
)

live: ContextVar[Attempt] = ContextVar("assay.activity")
"""The activity on whose behalf a task runs."""


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
        retry_policy: When it is tried again, if the server told it.
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


def _seconds(value: timedelta | None) -> float | None:
    return None if value is None else value.total_seconds()


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
    """Return the last details that the attempt before told the server; nil when there are none."""
    return _attempt().details_before()


@library.function()
def info() -> Info:
    """Tell what the server told of the activity."""
    known = _attempt().info
    return Info(
        workflow_id=known.workflow_id,
        run_id=known.workflow_run_id,
        workflow_type=known.workflow_type,
        namespace=known.namespace,
        activity_id=known.activity_id,
        activity_type=known.activity_type,
        attempt=known.attempt,
        task_token=base64.b64encode(known.task_token).decode(),
        task_queue=known.task_queue,
        is_local=known.is_local,
        scheduled_time=known.scheduled_time.timestamp(),
        current_attempt_scheduled_time=known.current_attempt_scheduled_time.timestamp(),
        started_time=known.started_time.timestamp(),
        start_to_close_timeout=_seconds(known.start_to_close_timeout),
        schedule_to_close_timeout=_seconds(known.schedule_to_close_timeout),
        heartbeat_timeout=_seconds(known.heartbeat_timeout),
        retry_policy=None if known.retry_policy is None else RetryPolicyOptions.from_sdk(known.retry_policy),
        priority=PriorityOptions.from_sdk(known.priority),
    )


@library.function()
def metric_meter() -> MetricMeter:
    """Return what makes metrics."""
    return MetricMeter(_attempt().metric_meter())


@library.function()
def is_cancelled() -> bool:
    """Tell whether the activity was cancelled."""
    return _attempt().cancelled


@library.function()
def cancellation_details() -> CancellationDetails | None:
    """Tell why the activity was cancelled; nil when it was not."""
    found = _attempt().cancellation_details()
    if found is None:
        return None
    return CancellationDetails(
        cancel_requested=found.cancel_requested,
        timed_out=found.timed_out,
        not_found=found.not_found,
        paused=found.paused,
        reset=found.reset,
        worker_shutdown=found.worker_shutdown,
    )


@library.function()
async def wait_for_cancelled() -> None:
    """Wait until the activity is cancelled; that raises an error of kind "cancelled", as in every wait."""
    _attempt()
    await asyncio.Event().wait()


@library.function()
def is_worker_shutdown() -> bool:
    """Tell whether the worker ends: the activity has `graceful_shutdown_timeout` left."""
    return _attempt().is_worker_shutdown()


@library.function()
async def wait_for_worker_shutdown() -> None:
    """Wait until the worker is asked to end. The activity has its `graceful_shutdown_timeout` left then."""
    await _attempt().worker_shutdown()


@library.function()
def complete_async() -> None:
    """Leave the activity open when its function returns: a client completes it later.

    What the function returns is ignored; an error that it raises still fails the activity. The client needs
    `activity.info().task_token`, or the ids: see `client:complete_activity`. From the return on, heartbeats are the
    client's business too.
    """
    attempt = _attempt()
    if attempt.info.is_local:
        raise BuiltinError("a local activity cannot be completed later")
    attempt.completes_later = True
