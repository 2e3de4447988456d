"""Activities and local activities that have been started."""

from __future__ import annotations

from temporalio.api.failure.v1 import Failure

from assay.errors import BuiltinError
from assay.lua.values import Json
from assay.temporal.core.protos import ActivityResolution, DoBackoff, WorkflowCommand
from assay.temporal.data import failures, payloads
from assay.temporal.workflow.run.entries import Cancelled, Entry
from assay.temporal.workflow.run.outbound import Outbound
from assay.temporal.workflow.run.timers import Timer


class Step(Entry["Json | None"]):
    """What ends with the result, or the failure, of something that runs elsewhere.

    A cancel asks Core, which ends it by its `cancellation_type`; until then it continues.
    """

    __slots__ = ("_is_cancel_requested", "_outbound", "_seq", "_title")

    def __init__(self, outbound: Outbound, title: str) -> None:
        """`title` names it in messages."""
        super().__init__()
        self._outbound = outbound
        self._title = title
        self._seq = 0
        self._is_cancel_requested = False

    def start(self) -> None:
        """Start it, unless it was cancelled before."""
        if not self.is_done:
            self._start()

    def _start(self) -> None:
        raise NotImplementedError

    def cancel(self) -> None:
        """Ask it to end, once. What has not been started never starts."""
        if self.is_done or self._is_cancel_requested:
            return
        self._is_cancel_requested = True
        if self._seq == 0:
            self.fail(Cancelled)
        else:
            self._request_cancel()

    def _request_cancel(self) -> None:
        raise NotImplementedError

    def complete(self, result: object) -> None:
        """End as a result of Core says that has `completed`, `failed` and `cancelled`."""
        variant = result.WhichOneof("status")  # type: ignore[attr-defined]
        if variant == "completed":
            completed = result.completed  # type: ignore[attr-defined]
            self._resolve_with(completed.result if completed.HasField("result") else None)
        else:
            self.fail_with(getattr(result, variant).failure)

    def _resolve_with(self, payload: object) -> None:
        try:
            value = None if payload is None else payloads.read(payload)  # type: ignore[arg-type]
        except BuiltinError as error:
            problem = f"the result of {self._title} cannot be read: {error}"
            self.fail(lambda: BuiltinError(problem))
        else:
            self.resolve(value)

    def fail_with(self, failure: Failure) -> None:
        """End with a failure."""
        kept = Failure()
        kept.CopyFrom(failure)  # what came belongs to the whole activation
        self.fail(lambda: failures.to_error_object(kept))


async def outcome(step: Step) -> Json | None:
    """Start a step and wait for it; a cancel of the wait is passed on, and how the step ends then is the answer."""
    step.start()
    while True:
        try:
            return await step
        except Cancelled:
            if step.is_done:
                raise
            step.cancel()


class Activity(Step):
    """An activity that has been scheduled."""

    __slots__ = ("_command",)

    def __init__(self, outbound: Outbound, command: WorkflowCommand) -> None:
        super().__init__(outbound, f"activity '{command.schedule_activity.activity_type}'")
        self._command: WorkflowCommand | None = command

    def _start(self) -> None:
        command, self._command = self._command, None
        assert command is not None
        self._seq = self._outbound.next("activity", self)
        schedule = command.schedule_activity
        schedule.seq = self._seq
        schedule.activity_id = schedule.activity_id or str(self._seq)
        self._outbound.append(command)

    def _request_cancel(self) -> None:
        self._outbound.add().request_cancel_activity.seq = self._seq

    def resolved(self, resolution: ActivityResolution) -> None:
        """End as Core says."""
        self._outbound.take("activity", self._seq)
        self.complete(resolution)


class LocalActivity(Step):
    """A local activity that has been scheduled. What Core says of its end is kept until it is its turn.

    Between two attempts that are far apart it waits for a timer of the server.
    """

    __slots__ = ("_backoff", "_command", "_resolution", "name")

    def __init__(self, outbound: Outbound, command: WorkflowCommand) -> None:
        self.name = command.schedule_local_activity.activity_type
        super().__init__(outbound, f"local activity '{self.name}'")
        self._command: WorkflowCommand | None = command
        self._backoff: Timer | None = None
        self._resolution: ActivityResolution | None = None

    def _start(self) -> None:
        self._schedule(self._outbound.next("activity", self))

    def _schedule(self, seq: int) -> None:
        assert self._command is not None
        self._seq = seq
        schedule = self._command.schedule_local_activity
        schedule.seq = seq
        schedule.activity_id = schedule.activity_id or str(seq)
        self._outbound.append(self._command)

    def _request_cancel(self) -> None:
        if self._backoff is not None:
            self._backoff.cancel()
        elif self._resolution is None:
            self._outbound.add().request_cancel_local_activity.seq = self._seq

    @property
    def has_ended(self) -> bool:
        """Return true if Core has said how it ended."""
        return self._resolution is not None or self.is_done

    def resolved(self, resolution: ActivityResolution) -> None:
        """Keep how it ended, or wait until it is tried again."""
        self._outbound.take("activity", self._seq)
        if resolution.HasField("backoff"):
            self._wait(resolution.backoff)
            return
        self._resolution = ActivityResolution()
        self._resolution.CopyFrom(resolution)
        self._command = None

    def _wait(self, backoff: DoBackoff) -> None:
        assert self._command is not None
        again = self._command.schedule_local_activity
        again.attempt = backoff.attempt
        again.original_schedule_time.CopyFrom(backoff.original_schedule_time)
        again.activity_id = again.activity_id if again.activity_id != str(self._seq) else ""
        seconds = backoff.backoff_duration.ToNanoseconds() / 1e9
        seq = self._outbound.next("activity", self)
        timer = self._backoff = Timer(self._outbound, seconds, is_counted=False).start()

        def over() -> None:
            self._backoff = None
            if timer.has_failed:
                self._outbound.take("activity", seq)
                self._resolution = ActivityResolution()
                self._resolution.cancelled.failure.canceled_failure_info.SetInParent()
            else:
                self._schedule(seq)

        timer.when_done(over)

    def end(self) -> None:
        """End: it is its turn. The failure is what a replay has too, which is the cause only."""
        resolution = self._resolution
        assert resolution is not None
        self._resolution = None
        self._outbound.note_result(resolution.ByteSize())  # it is in a command that Core adds
        variant = resolution.WhichOneof("status")
        if variant == "completed":
            self.complete(resolution)
            return
        failure = resolution.failed.failure if variant == "failed" else resolution.cancelled.failure
        outer = Failure(message=failure.message)
        outer.activity_failure_info.activity_type.name = self.name
        cause = failure.cause if failure.HasField("activity_failure_info") else failure
        if failure.HasField("cause") or not failure.HasField("activity_failure_info"):
            outer.cause.CopyFrom(cause)
        self.fail_with(outer)
