"""Activities and local activities, resolved by jobs of Core."""

from __future__ import annotations

from temporalio.api.failure.v1 import Failure

from assay.temporal.core.protos import ActivityResolution, DoBackoff, WorkflowCommand
from assay.temporal.workflow.run.commands import CommandEntry
from assay.temporal.workflow.run.outbound import Outbound
from assay.temporal.workflow.run.timers import Timer


class Activity(CommandEntry):
    """An activity."""

    __slots__ = ("_command",)

    def __init__(self, outbound: Outbound, command: WorkflowCommand) -> None:
        super().__init__(outbound, f"activity '{command.schedule_activity.activity_type}'")
        self._command: WorkflowCommand | None = command

    def _start(self) -> None:
        command, self._command = self._command, None
        assert command is not None
        self._seq = self._outbound.register("activity", self)
        schedule = command.schedule_activity
        schedule.seq = self._seq
        schedule.activity_id = schedule.activity_id or str(self._seq)
        self._outbound.append(command)

    def _request_cancel(self) -> None:
        self._outbound.add().request_cancel_activity.seq = self._seq

    def resolved(self, resolution: ActivityResolution) -> None:
        """End with the resolution of Core."""
        self._outbound.take("activity", self._seq)
        self.complete(resolution)


class LocalActivity(CommandEntry):
    """A local activity. The resolution of Core is stored until the local activity has its turn to end.

    A long retry delay is a timer of the server.
    """

    __slots__ = ("_backoff", "_command", "_resolution", "name")

    def __init__(self, outbound: Outbound, command: WorkflowCommand) -> None:
        self.name = command.schedule_local_activity.activity_type
        super().__init__(outbound, f"local activity '{self.name}'")
        self._command: WorkflowCommand | None = command
        self._backoff: Timer | None = None
        self._resolution: ActivityResolution | None = None

    def _start(self) -> None:
        self._schedule(self._outbound.register("activity", self))

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
        """True if Core has resolved it."""
        return self._resolution is not None or self.is_done

    def resolved(self, resolution: ActivityResolution) -> None:
        """Store the resolution of Core, or wait for the next attempt."""
        self._outbound.take("activity", self._seq)
        if resolution.HasField("backoff"):
            self._wait(resolution.backoff)
            return
        self._resolution = ActivityResolution()
        self._resolution.CopyFrom(resolution)
        self._command = None

    def _wait(self, backoff: DoBackoff) -> None:
        assert self._command is not None
        schedule = self._command.schedule_local_activity
        schedule.attempt = backoff.attempt
        schedule.original_schedule_time.CopyFrom(backoff.original_schedule_time)
        schedule.activity_id = schedule.activity_id if schedule.activity_id != str(self._seq) else ""
        seconds = backoff.backoff_duration.ToNanoseconds() / 1e9
        seq = self._outbound.register("activity", self)
        timer = self._backoff = Timer(self._outbound, seconds, is_reserved=False).start()

        def on_timer_end() -> None:
            self._backoff = None
            if timer.has_failed:
                self._outbound.take("activity", seq)
                self._resolution = ActivityResolution()
                self._resolution.cancelled.failure.canceled_failure_info.SetInParent()
            else:
                self._schedule(seq)

        timer.when_done(on_timer_end)

    def end(self) -> None:
        """End with the stored resolution. A failure keeps only the parts that a replay restores."""
        resolution = self._resolution
        assert resolution is not None
        self._resolution = None
        self._outbound.count_local_result(resolution.ByteSize())  # in a command that Core adds
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
