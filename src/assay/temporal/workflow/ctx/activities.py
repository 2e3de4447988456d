"""Methods of `ctx` for activities, local activities and side effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from assay.errors import ErrorObject
from assay.lua.declare import method
from assay.lua.function import LuaFunction
from assay.lua.values import Json, Name
from assay.temporal.core.protos import ActivityCancellationType, WorkflowCommand
from assay.temporal.data import failures, payloads
from assay.temporal.data.options import PriorityOptions, RetryPolicyOptions, priority
from assay.temporal.workflow.ctx.calls import input_payloads, set_time, wait_uncancelled
from assay.temporal.workflow.ctx.futures import CommandFuture, Future
from assay.temporal.workflow.run.activities import Activity, LocalActivity
from assay.temporal.workflow.run.commands import start_and_wait
from assay.temporal.workflow.run.outbound import set_summary
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.sandbox.errors import HostFailure, WorkflowLimitError

SIDE_EFFECT_ACTIVITY = "assay.side_effect"
SIDE_EFFECT_TIMEOUT = 10
DEFAULT_TIMEOUT = 300.0

CancellationType = Literal["try_cancel", "wait_completed", "abandon"]

_CANCELLATION = {
    "try_cancel": ActivityCancellationType.TRY_CANCEL,
    "wait_completed": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    "abandon": ActivityCancellationType.ABANDON,
}


@dataclass(kw_only=True)
class _Options:
    """Options that activities and local activities share.

    Attributes:
        args: Multiple arguments instead of the single input, for activities written in other languages.
        start_to_close_timeout: Maximum time of a single attempt; defaults to 300 without a `schedule_to_close_timeout`.
        schedule_to_close_timeout: Maximum time of all attempts together, including time in the task queue.
        schedule_to_start_timeout: Maximum time that an attempt may wait for a worker.
        retry_policy: Retry policy.
        cancellation_type: How a cancellation is handled: "try_cancel" requests cancellation of the activity and raises
            at once; "wait_completed" requests it and waits until the activity has ended; "abandon" raises at once and
            does not notify the activity.
        activity_id: Activity id; defaults to a number.
        summary: Short description, shown in the Web UI and the history.
    """

    args: list[Json] | None = None
    start_to_close_timeout: float | None = None
    schedule_to_close_timeout: float | None = None
    schedule_to_start_timeout: float | None = None
    retry_policy: RetryPolicyOptions | None = None
    cancellation_type: CancellationType = "try_cancel"
    activity_id: str | None = None
    summary: str | None = None

    def write(self, run: Run, target: Any, value: Json | None) -> None:
        """Copy the shared options into the protobuf message of a command."""
        target.arguments.extend(input_payloads(run, value, self.args))
        start_to_close = self.start_to_close_timeout
        if start_to_close is None and self.schedule_to_close_timeout is None:
            start_to_close = DEFAULT_TIMEOUT
        set_time(target.start_to_close_timeout, "start_to_close_timeout", start_to_close)
        set_time(target.schedule_to_close_timeout, "schedule_to_close_timeout", self.schedule_to_close_timeout)
        set_time(target.schedule_to_start_timeout, "schedule_to_start_timeout", self.schedule_to_start_timeout)
        if self.retry_policy is not None:
            self.retry_policy.to_sdk().apply_to_proto(target.retry_policy)
        target.cancellation_type = _CANCELLATION[self.cancellation_type]
        target.activity_id = self.activity_id or ""


@dataclass(kw_only=True)
class ActivityOptions(_Options):
    """Options of an activity. All times are in seconds.

    Attributes:
        heartbeat_timeout: Maximum time between two heartbeats of an attempt.
        task_queue: Task queue; defaults to the task queue of the workflow.
        priority: Task priority and fairness: a table, or just the `priority_key`.
    """

    heartbeat_timeout: float | None = None
    task_queue: str | None = None
    priority: int | PriorityOptions | None = None

    def command(self, run: Run, name: str, value: Json | None) -> WorkflowCommand:
        """Return the command that schedules the activity."""
        command = WorkflowCommand()
        target = command.schedule_activity
        target.activity_type = name
        target.task_queue = self.task_queue or run.settings.task_queue
        target.do_not_eagerly_execute = run.settings.no_eager_activities
        self.write(run, target, value)
        set_time(target.heartbeat_timeout, "heartbeat_timeout", self.heartbeat_timeout)
        if self.priority is not None:
            target.priority.CopyFrom(priority(self.priority)._to_proto())
        set_summary(command, self.summary)
        return command


@dataclass(kw_only=True)
class LocalActivityOptions(_Options):
    """Options of a local activity. All times are in seconds.

    Attributes:
        local_retry_threshold: Retry delays longer than this use a timer of the server; defaults to 60.
    """

    local_retry_threshold: float | None = None

    def command(self, run: Run, name: str, value: Json | None) -> WorkflowCommand:
        """Return the command that schedules the activity."""
        command = WorkflowCommand()
        target = command.schedule_local_activity
        target.activity_type = name
        self.write(run, target, value)
        set_time(target.local_retry_threshold, "local_retry_threshold", self.local_retry_threshold)
        set_summary(command, self.summary)
        return command


class Activities:
    """Activities and side effects, whose results are recorded in the history."""

    _run: Run

    @method
    async def execute_activity(
        self, name: Name, input: Json | None = None, options: ActivityOptions | None = None
    ) -> Json:
        """Run an activity and return its result. Raises the activity's failure after the last retry.

        Args:
            name: Name under which a worker has registered the activity.
            input: Input of the activity.
            options: Activity options.
        """
        return await start_and_wait(self._schedule(name, input, options))  # type: ignore[return-value]

    @method
    def start_activity(self, name: Name, input: Json | None = None, options: ActivityOptions | None = None) -> Future:
        """Start an activity and return a future for its result.

        Args:
            name: Name under which a worker has registered the activity.
            input: Input of the activity.
            options: Activity options.
        """
        activity = self._schedule(name, input, options)
        activity.start()
        return CommandFuture(self._run, f"activity '{name}'", activity)

    def _schedule(self, name: str, value: Json | None, options: ActivityOptions | None) -> Activity:
        command = (options or _DEFAULT).command(self._run, name, value)
        if self._run.settings.spans is not None:
            self._run.settings.spans.called(self._run, f"StartActivity:{name}", command.schedule_activity.headers)
        self._run.outbound.reserve(command)
        return Activity(self._run.outbound, command)

    @method
    async def execute_local_activity(
        self, name: Name, input: Json | None = None, options: LocalActivityOptions | None = None
    ) -> Json:
        """Run an activity in this worker, without a task queue, and return its result. Raises the activity's failure.

        Use it for activities that take at most a few seconds: the workflow processes no other events until the local
        activity completes.

        Args:
            name: Name under which this worker has registered the activity.
            input: Input of the activity.
            options: Activity options.
        """
        return await start_and_wait(self._schedule_local(name, input, options))  # type: ignore[return-value]

    @method
    def start_local_activity(
        self, name: Name, input: Json | None = None, options: LocalActivityOptions | None = None
    ) -> Future:
        """Start an activity in this worker, without a task queue, and return a future for its result.

        Local activities run concurrently, but their results reach the workflow in the order in which they were started.
        Use them for activities that take at most a few seconds: the workflow processes no other events until they
        complete.

        Args:
            name: Name under which this worker has registered the activity.
            input: Input of the activity.
            options: Activity options.
        """
        activity = self._schedule_local(name, input, options)
        activity.start()
        return CommandFuture(self._run, f"local activity '{name}'", activity)

    def _schedule_local(self, name: str, value: Json | None, options: LocalActivityOptions | None) -> LocalActivity:
        command = (options or _LOCAL_DEFAULT).command(self._run, name, value)
        known = self._run.settings.local_activities
        if known is not None and name not in known:
            # Fails only the workflow task, so that a worker with the activity can continue the run.
            raise HostFailure(RuntimeError(f"local activity '{name}' is not registered with this worker"))
        if self._run.settings.spans is not None:
            self._run.settings.spans.called(self._run, f"StartActivity:{name}", command.schedule_local_activity.headers)
        return self._add(command)

    def _add(self, command: WorkflowCommand) -> LocalActivity:
        self._run.outbound.reserve(command)
        activity = LocalActivity(self._run.outbound, command)
        self._run.local_activities.append(activity)
        return activity

    @method
    async def side_effect(self, function: LuaFunction) -> Json:
        """Run a function once, with the real clock and real randomness, and return its result.

        The result is recorded in the history; a replay returns it without running the function. The function runs on a
        copy of all variables that it references: assignments are discarded, and only the result is returned.

        Args:
            function: Function to run. It must not wait.
        """
        run = self._run
        key = run.add_side_effect(function)
        command = WorkflowCommand()
        target = command.schedule_local_activity
        target.activity_type = SIDE_EFFECT_ACTIVITY
        target.arguments.extend([payloads.to_payload(Json.of(item)) for item in (run.start.run_id, key)])
        target.start_to_close_timeout.FromSeconds(SIDE_EFFECT_TIMEOUT)
        target.retry_policy.maximum_attempts = 1
        activity = self._add(command)
        activity.start()
        try:
            return await wait_uncancelled(run, activity)  # type: ignore[no-any-return]
        except ErrorObject as error:
            cause = error.fields.get("cause") or {}
            if cause.get("type") == SIDE_EFFECT_ACTIVITY:  # a limit was reached: retry, do not record
                raise HostFailure(WorkflowLimitError(cause["message"])) from None
            origin = error.origin
            assert isinstance(origin, failures.FailureOrigin)
            raise failures.to_error_object(origin.failure.cause) from None
        finally:
            run.side_effects.pop(key, None)


_DEFAULT = ActivityOptions()
_LOCAL_DEFAULT = LocalActivityOptions()
