"""Activities on the simulated server (attempts, retries, timeouts, cancellation) and local activities in the worker."""

from __future__ import annotations

from typing import Any

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure

from assay.errors import LuaError
from assay.lua.values import Json
from assay.simulation import attempts, jobs, retries
from assay.simulation.attempts import Call
from assay.simulation.choices import Unsupported
from assay.simulation.clock import Timer
from assay.simulation.server import Run as Owner
from assay.simulation.server import Server
from assay.temporal.core.protos import WorkflowActivationJob, WorkflowCommand
from assay.temporal.data import failures, payloads
from assay.temporal.workflow.ctx.activities import SIDE_EFFECT_ACTIVITY
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.sandbox.errors import HostFailure

_UNLIMITED = 1e10
MAX_LOCAL = 8.0
"""Maximum duration of a local activity with its retries, in seconds. Core extends longer workflow tasks."""


class ScheduledActivity:
    """A scheduled activity, with its attempts."""

    def __init__(self, owner: Owner, seq: int, schedule: Any, event: int) -> None:
        """`event` is the number of its scheduled event."""
        world = self._world = owner.world
        self._owner = owner
        self._seq = seq
        self._schedule = schedule
        self._event = event
        self._after_cancel = owner.has_seen_cancel
        self._activity = world.activity(schedule.activity_type)
        self._number = world.next_call_number(schedule.activity_type)
        self._title = f"activity {schedule.activity_type} {self._number}"
        self._attempt = 1
        self._faults = 0
        self._is_running = False
        self._is_cancelled = False
        self._timer: Timer | None = None
        self._last_failure: Failure | None = None
        limit = schedule.schedule_to_close_timeout.ToNanoseconds() / 1e9
        self._deadline = world.clock.now + round(limit * 1e9) if limit else None
        self._deadline_timer: Timer | None = None
        if limit:
            self._deadline_timer = world.clock.call_later(limit, self._exceed_deadline)
        self._start()

    def _remaining(self) -> float | None:
        """Return the seconds until the schedule-to-close timeout; None without one."""
        return None if self._deadline is None else (self._deadline - self._world.clock.now) / 1e9

    def _attempt_timeout(self) -> float:
        timeout = self._schedule.start_to_close_timeout.ToNanoseconds() / 1e9
        remaining = self._remaining()
        return float(min(timeout or _UNLIMITED, _UNLIMITED if remaining is None else remaining))

    def _start(self) -> None:
        """Start an attempt."""
        world = self._world
        name = f"{self._title}, attempt {self._attempt}"
        in_queue = self._schedule.schedule_to_start_timeout.ToNanoseconds() / 1e9
        if in_queue and self._activity.times_out:
            queue = world.choices.pick(f"{name}, in the task queue", ["is dispatched", "times out"], "faults")
            if queue == "times out":
                self._timer = world.clock.call_later(in_queue, self._time_out_in_queue)
                return
        timeout = self._attempt_timeout()
        failure = jobs.timed_out(TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE)
        remaining = self._remaining()
        remaining = None if remaining is None else remaining - timeout
        delay, _ = retries.next_attempt(self._schedule.retry_policy, failure, self._attempt, remaining)
        behavior = attempts.choose_behavior(
            world.choices, name, self._activity, self._faults, has_retry=delay is not None
        )
        self._faults += behavior != attempts.RETURNS
        self._is_running = True
        arguments = self._schedule.arguments
        value = payloads.from_payload(arguments[0]) if arguments else None
        call = world.record_call(
            self._schedule.activity_type,
            value or Json(b"null"),
            self._attempt,
            self._number,
            after_cancel=self._after_cancel,
        )
        seconds = world.choices.pick(f"{name}, duration", attempts.durations(self._activity, timeout), "durations")
        if behavior == attempts.HANGS:
            self._timer = world.clock.call_later(self._until_timeout(timeout), lambda: self._time_out(call))
        elif behavior == attempts.LOST:
            self._timer = world.clock.call_later(seconds, lambda: self._lose(call, timeout - seconds))
        else:
            self._timer = world.clock.call_later(seconds, lambda: self._end(call, behavior))

    def _until_timeout(self, remaining: float) -> float:
        """Return the seconds after which a silent attempt times out: the heartbeat timeout or `remaining`."""
        heartbeat = self._schedule.heartbeat_timeout.ToNanoseconds() / 1e9
        return float(min(remaining, heartbeat or remaining))

    def _time_out(self, call: Call) -> None:
        call.outcome = call.outcome or "timed out"
        self._world.trace_label(f"activity {self._schedule.activity_type} attempt {call.outcome}")
        heartbeat = self._schedule.heartbeat_timeout.ToNanoseconds() / 1e9
        is_heartbeat = heartbeat and heartbeat < self._attempt_timeout()
        kind = TimeoutType.TIMEOUT_TYPE_HEARTBEAT if is_heartbeat else TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
        self._fail(jobs.timed_out(kind, self._last_failure))

    def _lose(self, call: Call, remaining: float) -> None:
        """Run the attempt but lose its result."""
        attempts.run(self._activity, self._schedule.arguments, self._attempt)
        call.outcome = "lost"
        self._timer = self._world.clock.call_later(self._until_timeout(max(remaining, 0)), lambda: self._time_out(call))

    def _end(self, call: Call, behavior: str) -> None:
        result = attempts.result(self._activity, self._schedule.arguments, self._attempt, behavior)
        if isinstance(result, Failure):
            call.outcome = "failed"
            self._world.trace_label(f"activity {self._schedule.activity_type} attempt failed")
            self._fail(result)
            return
        call.outcome = "completed"
        self._close()
        self._owner.deliver(
            "activity_task_completed",
            jobs.activity_completed(self._seq, result),
            before=self._started(),
            scheduled_event_id=self._event,
            result=Payloads(payloads=[result]),
        )

    def _fail(self, failure: Failure) -> None:
        self._is_running = False
        seconds, state = retries.next_attempt(self._schedule.retry_policy, failure, self._attempt, self._remaining())
        if self._is_cancelled and seconds is not None:
            seconds, state = None, RetryState.RETRY_STATE_CANCEL_REQUESTED
        if seconds is not None:
            self._last_failure = failure
            self._timer = self._world.clock.call_later(seconds, self._retry)
            return
        if failure.HasField("timeout_failure_info") and state == RetryState.RETRY_STATE_TIMEOUT:
            failure = jobs.deadline_exceeded(self._last_failure)
        self._give_up(failure, state)

    def _retry(self) -> None:
        self._attempt += 1
        self._start()

    def _time_out_in_queue(self) -> None:
        self._give_up(
            jobs.timed_out(TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START, self._last_failure),
            RetryState.RETRY_STATE_TIMEOUT,
            has_started=False,
        )

    def _exceed_deadline(self) -> None:
        failure = jobs.deadline_exceeded(self._last_failure)
        self._give_up(failure, RetryState.RETRY_STATE_TIMEOUT, has_started=self._is_running)

    def _give_up(self, failure: Failure, state: RetryState.ValueType, *, has_started: bool = True) -> None:
        is_timeout = failure.HasField("timeout_failure_info")
        message = "Activity task timed out" if is_timeout else "Activity task failed"
        name, id = self._schedule.activity_type, self._schedule.activity_id
        self._close()
        self._owner.deliver(
            "activity_task_timed_out" if is_timeout else "activity_task_failed",
            jobs.activity_failed(self._seq, jobs.activity_failure(message, name, id, state, failure)),
            before=self._started() if has_started else None,
            scheduled_event_id=self._event,
            failure=failure,
            retry_state=state,
        )

    def _started(self) -> tuple[str, dict[str, Any]]:
        fields: dict[str, Any] = {"scheduled_event_id": self._event, "attempt": self._attempt}
        if self._last_failure is not None:
            fields["last_failure"] = self._last_failure
        return "activity_task_started", fields

    def request_cancel(self, event: int) -> None:
        """Request cancellation; `event` is the number of the request's event. Without a running attempt, cancel now.

        A running attempt learns of the request from a heartbeat; without a heartbeat timeout it never does.
        """
        self._is_cancelled = True
        if not self._is_running:
            self._cancel(event, has_started=False)
            return
        heartbeat = self._schedule.heartbeat_timeout.ToNanoseconds() / 1e9
        if heartbeat:
            reaction = self._world.choices.pick(f"{self._title}, cancellation", ["accepts", "ignores"], "faults")
            if reaction == "accepts":
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = self._world.clock.call_later(
                    heartbeat * 0.8, lambda: self._cancel(event, has_started=True)
                )

    def _cancel(self, request_event: int, *, has_started: bool) -> None:
        name, id = self._schedule.activity_type, self._schedule.activity_id
        self._close()
        self._owner.deliver(
            "activity_task_canceled",
            jobs.activity_cancelled(self._seq, jobs.cancelled_activity(name, id)),
            before=self._started() if has_started else None,
            scheduled_event_id=self._event,
            latest_cancel_requested_event_id=request_event,
        )

    def discard(self) -> None:
        """Cancel its timers because its run has ended."""
        for timer in (self._timer, self._deadline_timer):
            if timer is not None:
                timer.cancel()

    def _close(self) -> None:
        self.discard()
        del self._owner.activities[self._seq]


def run_local(world: Server, command: WorkflowCommand, run: Run) -> tuple[float, WorkflowActivationJob]:
    """Run a local activity; return its duration with its retries, in seconds, and the job with its result."""
    schedule = command.schedule_local_activity
    if schedule.activity_type == SIDE_EFFECT_ACTIVITY:
        return 0.001, _side_effect(schedule, run)
    activity = world.activity(schedule.activity_type)
    number = world.next_call_number(schedule.activity_type)
    value = payloads.from_payload(schedule.arguments[0]) if schedule.arguments else None
    timeout = schedule.start_to_close_timeout.ToNanoseconds() / 1e9 or _UNLIMITED
    max_duration = min(timeout, 1.0)
    threshold = schedule.local_retry_threshold.ToNanoseconds() / 1e9 or 60.0
    attempt, seconds, faults = schedule.attempt or 1, 0.0, 0
    while True:
        name = f"activity {schedule.activity_type} {number}, attempt {attempt}"
        failure = failures.application("simulated failure", "SimulatedFailure")
        delay, _ = retries.next_attempt(schedule.retry_policy, failure, attempt, None)
        has_retry = delay is not None and seconds + delay < MAX_LOCAL / 2
        behavior = attempts.choose_local_behavior(world.choices, name, activity, faults, has_retry=has_retry)
        faults += behavior != attempts.RETURNS
        seconds += world.choices.pick(f"{name}, duration", attempts.durations(activity, max_duration), "durations")
        call = world.record_call(
            schedule.activity_type,
            value or Json(b"null"),
            attempt,
            number,
            after_cancel=run.cancel_reason is not None,
        )
        result = attempts.result(activity, schedule.arguments, attempt, behavior)
        if isinstance(result, Payload):
            call.outcome = "completed"
            return seconds, jobs.activity_completed(schedule.seq, result, is_local=True)
        call.outcome = "failed"
        delay, _ = retries.next_attempt(schedule.retry_policy, result, attempt, None)
        if delay is None:
            return seconds, jobs.activity_failed(schedule.seq, result, is_local=True)
        if delay > threshold:
            scheduled = schedule.original_schedule_time.ToNanoseconds() or world.clock.now
            return seconds, jobs.activity_backoff(schedule.seq, attempt + 1, delay, scheduled)
        seconds += delay
        attempt += 1
        if seconds > MAX_LOCAL:
            raise Unsupported(
                f"local activity '{schedule.activity_type}' takes more than {MAX_LOCAL:g} s with its retries; longer "
                "local activities are not simulated"
            )


def _side_effect(schedule: Any, run: Run) -> WorkflowActivationJob:
    _, key = (payloads.read_python(item) for item in schedule.arguments)
    try:
        result = run.run_side_effect(key)
    except LuaError as error:
        failed = failures.of_lua_error(error)
    except HostFailure as failure:
        failed = failures.application(str(failure.cause), SIDE_EFFECT_ACTIVITY)
    else:
        return jobs.activity_completed(schedule.seq, payloads.to_payload(result), is_local=True)
    return jobs.activity_failed(schedule.seq, failed, is_local=True)
