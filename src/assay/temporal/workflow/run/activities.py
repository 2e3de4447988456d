"""Activities and local activities that have been started."""

from __future__ import annotations

from temporalio.api.failure.v1 import Failure

from assay.temporal.core.protos import ActivityResolution, DoBackoff, WorkflowCommand
from assay.temporal.workflow.run.commands import CommandEntry
from assay.temporal.workflow.run.outbound import Outbound
from assay.temporal.workflow.run.timers import Timer


class Activity(CommandEntry):
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


class LocalActivity(CommandEntry):
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
