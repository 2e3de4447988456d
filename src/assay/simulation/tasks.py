"""Workflow tasks as they were answered: what a replay gets again, and must answer again."""

from __future__ import annotations

from dataclasses import dataclass, field

from temporalio.api.failure.v1 import Failure

from assay.simulation import jobs
from assay.temporal.core.protos import WorkflowActivationJob, WorkflowCommand


@dataclass
class Round:
    """One activation of a task.

    Attributes:
        at: The run's time, in nanoseconds since 1970-01-01 UTC.
        local: The ends of local activities that it brought.
    """

    at: int
    local: list[WorkflowActivationJob] = field(default_factory=list)


@dataclass
class LocalEnd:
    """The end of a local activity or a side effect.

    Attributes:
        command: What started it.
        job: Its end.
        at: When, in nanoseconds since 1970-01-01 UTC; None when it was called off.
        activation: In which activation of its task, counted from 0.
    """

    command: WorkflowCommand
    job: WorkflowActivationJob
    at: int | None
    activation: int


@dataclass
class Task:
    """A workflow task.

    Attributes:
        number: Counted from 1 in its run.
        at: When it was started, in nanoseconds since 1970-01-01 UTC.
        jobs: What it brought.
        history_length: How many events the run had.
        rounds: Its activations, in order.
        commands: What the run answered, in order, as Core passes it on.
        sent: Those of them that the server got, and the ends of local activities.
        closing: The command that ends the run, if it does.
        failure: Why it failed, if it did.
    """

    number: int
    at: int
    jobs: list[WorkflowActivationJob]
    history_length: int
    rounds: list[Round] = field(default_factory=list)
    commands: list[WorkflowCommand] = field(default_factory=list)
    sent: list[WorkflowCommand | LocalEnd] = field(default_factory=list)
    closing: WorkflowCommand | None = None
    failure: Failure | None = None

    @property
    def rejected(self) -> set[str]:
        """The updates that were rejected."""
        accepted, rejected = set(), set()
        for command in self.commands:
            response = command.update_response
            if response.HasField("accepted"):
                accepted.add(response.protocol_instance_id)
            elif response.HasField("rejected") and response.protocol_instance_id not in accepted:
                rejected.add(response.protocol_instance_id)
        return rejected

    def recorded(self) -> list[WorkflowCommand]:
        """Return those commands that leave a trace in the history."""
        rejected = self.rejected
        return [
            command
            for command in self.commands
            if not (command.HasField("update_response") and command.update_response.protocol_instance_id in rejected)
        ]

    def replayed(self) -> list[WorkflowActivationJob]:
        """Return the jobs that a replay brings: with the patches of the history, without rejected updates."""
        patches = [
            jobs.patch(command.set_patch_marker.patch_id)
            for command in self.commands
            if command.HasField("set_patch_marker")
        ]
        rejected, again = self.rejected, []
        for job in self.jobs:
            if job.HasField("do_update"):
                if job.do_update.protocol_instance_id in rejected:
                    continue
                copy = WorkflowActivationJob()
                copy.CopyFrom(job)
                copy.do_update.run_validator = False
                again.append(copy)
            else:
                again.append(job)
        return patches + again

    @property
    def is_traceless(self) -> bool:
        """True if the history has nothing of it: it only brought updates, and all were rejected."""
        brought = all(job.HasField("do_update") for job in self.jobs)
        return bool(self.jobs) and brought and not self.recorded()
