"""`ctx`: activities, local activities and side effects."""

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
from assay.temporal.workflow.ctx.calls import arguments, set_time, settled
from assay.temporal.workflow.ctx.futures import Future, StepFuture
from assay.temporal.workflow.run.activities import Activity, LocalActivity, outcome
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
    """What both kinds of activities take.

    Attributes:
        args: Several arguments in place of the one input, for activities of other languages.
        start_to_close_timeout: How long one attempt may take.
        schedule_to_close_timeout: How long all attempts may take, with the time in the queue.
        schedule_to_start_timeout: How long an attempt may wait for a worker.
        retry_policy: When and how often to try again.
        cancellation_type: When a cancelled activity ends for the workflow: "try_cancel" at once, and the activity is
            asked; "wait_completed" when the activity has ended; "abandon" at once, without asking the activity.
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

    def write(self, run: Run, target: Any, value: Json | None) -> None:
        """Write what both kinds take into the command's message."""
        target.arguments.extend(arguments(run, value, self.args))
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
    """How an activity is run. All times are seconds.

    Attributes:
        heartbeat_timeout: How long an attempt may go without a heartbeat.
        task_queue: Where its worker looks for it; the workflow's own when left out.
        priority: Who goes first when workers are busy: a table, or only its `priority_key`.
    """

    heartbeat_timeout: float | None = None
    task_queue: str | None = None
    priority: int | PriorityOptions | None = None

    def command(self, run: Run, name: str, value: Json | None) -> WorkflowCommand:
        """Return the command that schedules it."""
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
    """How a local activity is run. All times are seconds.

    Attributes:
        local_retry_threshold: Waits between attempts that are longer are timers of the server; 60 when left out.
    """

    local_retry_threshold: float | None = None

    def command(self, run: Run, name: str, value: Json | None) -> WorkflowCommand:
        """Return the command that schedules it."""
        command = WorkflowCommand()
        target = command.schedule_local_activity
        target.activity_type = name
        self.write(run, target, value)
        set_time(target.local_retry_threshold, "local_retry_threshold", self.local_retry_threshold)
        set_summary(command, self.summary)
        return command


class Activities:
    """Steps whose results are in the history."""

    _run: Run

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
        return await outcome(self._schedule(name, input, options))  # type: ignore[return-value]

    @method
    def start_activity(self, name: Name, input: Json | None = None, options: ActivityOptions | None = None) -> Future:
        """Start an activity and return its future.

        Args:
            name: The name under which a worker registered it.
            input: What it gets.
            options: Time limits and retries; one attempt may take 300 seconds by default.
        """
        step = self._schedule(name, input, options)
        step.start()
        return StepFuture(self._run, f"activity '{name}'", step)

    def _schedule(self, name: str, value: Json | None, options: ActivityOptions | None) -> Activity:
        command = (options or _DEFAULT).command(self._run, name, value)
        if self._run.settings.spans is not None:
            self._run.settings.spans.called(self._run, f"StartActivity:{name}", command.schedule_activity.headers)
        self._run.outbound.check(command)
        return Activity(self._run.outbound, command)

    @method
    async def execute_local_activity(
        self, name: Name, input: Json | None = None, options: LocalActivityOptions | None = None
    ) -> Json:
        """Run an activity in this worker, without a task queue, and return its result; its failure is raised.

        For steps of less than a few seconds: the workflow processes no other events until it completes.

        Args:
            name: The name under which this worker registered it.
            input: What it gets.
            options: Time limits and retries; one attempt may take 300 seconds by default.
        """
        return await outcome(self._schedule_local(name, input, options))  # type: ignore[return-value]

    @method
    def start_local_activity(
        self, name: Name, input: Json | None = None, options: LocalActivityOptions | None = None
    ) -> Future:
        """Start an activity in this worker, without a task queue, and return its future.

        Local activities run at the same time, but end for the workflow in the order in which they were started. They
        are for steps of less than a few seconds: the workflow processes no other events until they complete.

        Args:
            name: The name under which this worker registered it.
            input: What it gets.
            options: Time limits and retries; one attempt may take 300 seconds by default.
        """
        step = self._schedule_local(name, input, options)
        step.start()
        return StepFuture(self._run, f"local activity '{name}'", step)

    def _schedule_local(self, name: str, value: Json | None, options: LocalActivityOptions | None) -> LocalActivity:
        command = (options or _LOCAL_DEFAULT).command(self._run, name, value)
        known = self._run.settings.local_activities
        if known is not None and name not in known:
            # Not the workflow's fault: a worker that has the activity carries the run on.
            raise HostFailure(RuntimeError(f"local activity '{name}' is not registered with this worker"))
        if self._run.settings.spans is not None:
            self._run.settings.spans.called(self._run, f"StartActivity:{name}", command.schedule_local_activity.headers)
        return self._add(command)

    def _add(self, command: WorkflowCommand) -> LocalActivity:
        self._run.outbound.check(command)
        step = LocalActivity(self._run.outbound, command)
        self._run.local_activities.append(step)
        return step

    @method
    async def side_effect(self, function: LuaFunction) -> Json:
        """Run a function once in the life of the run, with the real clock and randomness; return its result.

        The result is in the history, a replay returns it without running the function. It runs on a copy of what it
        reaches: what it assigns is gone afterwards, only its result comes back.

        Args:
            function: What to run. It must not wait.
        """
        run = self._run
        key = run.add_side_effect(function)
        command = WorkflowCommand()
        target = command.schedule_local_activity
        target.activity_type = SIDE_EFFECT_ACTIVITY
        target.arguments.extend([payloads.to_payload(Json.of(item)) for item in (run.start.run_id, key)])
        target.start_to_close_timeout.FromSeconds(SIDE_EFFECT_TIMEOUT)
        target.retry_policy.maximum_attempts = 1
        step = self._add(command)
        step.start()
        try:
            return await settled(run, step)  # type: ignore[no-any-return]
        except ErrorObject as error:
            cause = error.fields.get("cause") or {}
            if cause.get("type") == SIDE_EFFECT_ACTIVITY:  # it is not recorded then: it runs again
                raise HostFailure(WorkflowLimitError(cause["message"])) from None
            origin = error.origin
            assert isinstance(origin, failures.FailureOrigin)
            raise failures.to_error_object(origin.failure.cause) from None
        finally:
            run.side_effects.pop(key, None)


_DEFAULT = ActivityOptions()
_LOCAL_DEFAULT = LocalActivityOptions()
