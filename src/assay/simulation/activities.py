"""Activities on the simulated server: attempts, retries, time limits, cancels; and local activities in the worker."""

from __future__ import annotations

from typing import Any

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure

from assay.errors import LuaError
from assay.lua.values import Json
from assay.simulation import attempts, jobs, retries
from assay.simulation.agenda import Due
from assay.simulation.attempts import Call
from assay.simulation.choices import Unsupported
from assay.simulation.server import Run as Owner
from assay.simulation.server import Server
from assay.temporal.core.protos import WorkflowActivationJob, WorkflowCommand
from assay.temporal.data import failures, payloads
from assay.temporal.workflow.ctx.activities import SIDE_EFFECT_ACTIVITY
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.sandbox.errors import HostFailure

_UNLIMITED = 1e10
MAX_LOCAL = 8.0
"""Seconds that the local activities of one workflow task may take: the server would be asked for more time then."""


class ScheduledActivity:
    """An activity that has been scheduled: it is tried until it ends."""

    def __init__(self, owner: Owner, seq: int, schedule: Any, event: int) -> None:
        """`event`: the number of its event."""
        world = self._world = owner.world
        self._owner = owner
        self._seq = seq
        self._schedule = schedule
        self._event = event
        self._after_cancel = owner.knows_of_cancel
        self._activity = world.activity(schedule.activity_type)
        self._number = world.number(schedule.activity_type)
        self._title = f"activity {schedule.activity_type} {self._number}"
        self._attempt = 1
        self._faults = 0
        self._is_running = False
        self._is_cancelled = False
        self._due: Due | None = None
        self._last_failure: Failure | None = None
        begun = world.agenda.now
        limit = schedule.schedule_to_close_timeout.ToNanoseconds() / 1e9
        self._deadline = begun + round(limit * 1e9) if limit else None
        self._limit: Due | None = None
        if limit:
            self._limit = world.agenda.add(limit, self._out_of_time)
        self._start()

    def _left(self) -> float | None:
        return None if self._deadline is None else (self._deadline - self._world.agenda.now) / 1e9

    def _time_limit(self) -> float:
        limit = self._schedule.start_to_close_timeout.ToNanoseconds() / 1e9
        left = self._left()
        return float(min(limit or _UNLIMITED, _UNLIMITED if left is None else left))

    def _start(self) -> None:
        """Begin an attempt."""
        world = self._world
        name = f"{self._title}, attempt {self._attempt}"
        in_queue = self._schedule.schedule_to_start_timeout.ToNanoseconds() / 1e9
        if in_queue and self._activity.times_out:
            queue = world.choices.pick(f"{name}, in the queue", ["is taken", "is not taken"], "faults")
            if queue == "is not taken":
                self._due = world.agenda.add(in_queue, self._not_taken)
                return
        limit = self._time_limit()
        hung = jobs.timed_out(TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE)
        left = self._left()
        left = None if left is None else left - limit
        again, _ = retries.next_attempt(self._schedule.retry_policy, hung, self._attempt, left)
        outcome = attempts.choose_outcome(
            world.choices, name, self._activity, self._faults, may_fault=again is not None
        )
        self._faults += outcome != attempts.ENDS
        self._is_running = True
        first = self._schedule.arguments
        value = payloads.from_payload(first[0]) if first else None
        call = world.called(
            self._schedule.activity_type,
            value or Json(b"null"),
            self._attempt,
            self._number,
            after_cancel=self._after_cancel,
        )
        seconds = world.choices.pick(f"{name} takes", attempts.durations(self._activity, limit), "durations")
        if outcome == attempts.HANGS:
            self._due = world.agenda.add(self._patience(limit), lambda: self._time_out(call))
        elif outcome == attempts.LOST:
            self._due = world.agenda.add(seconds, lambda: self._lose(call, limit - seconds))
        else:
            self._due = world.agenda.add(seconds, lambda: self._end(call, outcome))

    def _patience(self, limit: float) -> float:
        heartbeat = self._schedule.heartbeat_timeout.ToNanoseconds() / 1e9
        return float(min(limit, heartbeat or limit))

    def _time_out(self, call: Call) -> None:
        call.outcome = call.outcome or "timed out"
        self._world.note(f"activity {self._schedule.activity_type} attempt {call.outcome}")
        heartbeat = self._schedule.heartbeat_timeout.ToNanoseconds() / 1e9
        is_heartbeat = heartbeat and heartbeat < self._time_limit()
        kind = TimeoutType.TIMEOUT_TYPE_HEARTBEAT if is_heartbeat else TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
        self._fail(jobs.timed_out(kind, self._last_failure))

    def _lose(self, call: Call, left: float) -> None:
        attempts.run(self._activity, self._schedule.arguments, self._attempt)
        call.outcome = "lost"
        self._due = self._world.agenda.add(self._patience(max(left, 0)), lambda: self._time_out(call))

    def _end(self, call: Call, outcome: str) -> None:
        if outcome == attempts.ENDS:
            result = attempts.run(self._activity, self._schedule.arguments, self._attempt)
        else:
            result = attempts.injected(self._activity, outcome)
        if isinstance(result, Failure):
            call.outcome = "failed"
            self._world.note(f"activity {self._schedule.activity_type} attempt failed")
            self._fail(result)
            return
        call.outcome = "completed"
        self._close()
        self._owner.happen(
            "activity_task_completed",
            jobs.activity_completed(self._seq, result),
            before=self._started(),
            scheduled_event_id=self._event,
            result=Payloads(payloads=[result]),
        )

    def _fail(self, failure: Failure) -> None:
        self._is_running = False
        seconds, state = retries.next_attempt(self._schedule.retry_policy, failure, self._attempt, self._left())
        if self._is_cancelled and seconds is not None:
            seconds, state = None, RetryState.RETRY_STATE_CANCEL_REQUESTED
        if seconds is not None:
            self._last_failure = failure
            self._due = self._world.agenda.add(seconds, self._try_again)
            return
        if failure.HasField("timeout_failure_info") and state == RetryState.RETRY_STATE_TIMEOUT:
            failure = jobs.out_of_time(self._last_failure)
        self._give_up(failure, state)

    def _try_again(self) -> None:
        self._attempt += 1
        self._start()

    def _not_taken(self) -> None:
        self._give_up(
            jobs.timed_out(TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START, self._last_failure),
            RetryState.RETRY_STATE_TIMEOUT,
            has_started=False,
        )

    def _out_of_time(self) -> None:
        failure = jobs.out_of_time(self._last_failure)
        self._give_up(failure, RetryState.RETRY_STATE_TIMEOUT, has_started=self._is_running)

    def _give_up(self, failure: Failure, state: RetryState.ValueType, *, has_started: bool = True) -> None:
        is_timeout = failure.HasField("timeout_failure_info")
        message = "Activity task timed out" if is_timeout else "Activity task failed"
        name, id = self._schedule.activity_type, self._schedule.activity_id
        self._close()
        self._owner.happen(
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

    def request_cancel(self, requested: int) -> None:
        """Note a cancel request, the event `requested`: one that does not run ends at once.

        An attempt that runs hears of it by its heartbeats; an activity without a heartbeat timeout never does.
        """
        self._is_cancelled = True
        if not self._is_running:
            self._cancel(requested, has_started=False)
            return
        heartbeat = self._schedule.heartbeat_timeout.ToNanoseconds() / 1e9
        if heartbeat:
            heeds = self._world.choices.pick(f"{self._title} is cancelled", ["ends", "goes on"], "faults")
            if heeds == "ends":
                if self._due is not None:
                    self._due.call_off()
                self._due = self._world.agenda.add(heartbeat * 0.8, lambda: self._cancel(requested, has_started=True))

    def _cancel(self, requested: int, *, has_started: bool) -> None:
        name, id = self._schedule.activity_type, self._schedule.activity_id
        self._close()
        self._owner.happen(
            "activity_task_canceled",
            jobs.activity_cancelled(self._seq, jobs.cancelled_activity(name, id)),
            before=self._started() if has_started else None,
            scheduled_event_id=self._event,
            latest_cancel_requested_event_id=requested,
        )

    def call_off(self) -> None:
        """Forget it: its run has ended."""
        for due in (self._due, self._limit):
            if due is not None:
                due.call_off()

    def _close(self) -> None:
        self.call_off()
        del self._owner.activities[self._seq]


def run_local(world: Server, command: WorkflowCommand, run: Run) -> tuple[float, WorkflowActivationJob]:
    """Run a local activity; returns how many seconds it takes with its retries, and its end."""
    schedule = command.schedule_local_activity
    if schedule.activity_type == SIDE_EFFECT_ACTIVITY:
        return 0.001, _side_effect(schedule, run)
    activity = world.activity(schedule.activity_type)
    number = world.number(schedule.activity_type)
    value = payloads.from_payload(schedule.arguments[0]) if schedule.arguments else None
    limit = schedule.start_to_close_timeout.ToNanoseconds() / 1e9 or _UNLIMITED
    longest = min(limit, 1.0)
    threshold = schedule.local_retry_threshold.ToNanoseconds() / 1e9 or 60.0
    attempt, seconds, faults = schedule.attempt or 1, 0.0, 0
    while True:
        name = f"activity {schedule.activity_type} {number}, attempt {attempt}"
        failure = failures.application("simulated failure", "SimulatedFailure")
        again, _ = retries.next_attempt(schedule.retry_policy, failure, attempt, None)
        may_fault = again is not None and seconds + again < MAX_LOCAL / 2
        options = [attempts.ENDS]
        if faults < attempts.MAX_FAULTS:
            options += [f"fails: {failure.message}" for failure in activity.failures]
            options += ["fails"] if activity.transient and may_fault else []
        outcome = world.choices.pick(name, options, "faults")
        faults += outcome != attempts.ENDS
        seconds += world.choices.pick(f"{name} takes", attempts.durations(activity, longest), "durations")
        call = world.called(
            schedule.activity_type,
            value or Json(b"null"),
            attempt,
            number,
            after_cancel=run.cancel_reason is not None,
        )
        if outcome == attempts.ENDS:
            result = attempts.run(activity, schedule.arguments, attempt)
        else:
            result = attempts.injected(activity, outcome)
        if isinstance(result, Payload):
            call.outcome = "completed"
            return seconds, jobs.activity_completed(schedule.seq, result, is_local=True)
        call.outcome = "failed"
        wait, _ = retries.next_attempt(schedule.retry_policy, result, attempt, None)
        if wait is None:
            return seconds, jobs.activity_failed(schedule.seq, result, is_local=True)
        if wait > threshold:
            scheduled = schedule.original_schedule_time.ToNanoseconds() or world.agenda.now
            return seconds, jobs.activity_backoff(schedule.seq, attempt + 1, wait, scheduled)
        seconds += wait
        attempt += 1
        if seconds > MAX_LOCAL:
            raise Unsupported(
                f"local activity '{schedule.activity_type}' takes more than {MAX_LOCAL:g} s with its retries: longer "
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
