"""Processed workflow tasks, which a replay repeats."""

from __future__ import annotations

from dataclasses import dataclass, field

from temporalio.api.failure.v1 import Failure

from assay.simulation import jobs
from assay.temporal.core.protos import WorkflowActivationJob, WorkflowCommand


@dataclass
class Activation:
    """One activation of a workflow task.

    Attributes:
        at: Virtual time, in nanoseconds since 1970-01-01 UTC.
        local_results: The jobs with results of local activities that it delivered.
    """

    at: int
    local_results: list[WorkflowActivationJob] = field(default_factory=list)


@dataclass
class LocalResult:
    """The result of a local activity or a side effect.

    Attributes:
        command: The command that started it.
        job: The job that delivers the result.
        at: Time of its end, in nanoseconds since 1970-01-01 UTC; None if it was cancelled.
        activation: Index of the activation that delivers it, in its workflow task.
    """

    command: WorkflowCommand
    job: WorkflowActivationJob
    at: int | None
    activation: int


@dataclass
class Task:
    """A workflow task.

    Attributes:
        number: Its number in the run, counted from 1.
        at: Start time, in nanoseconds since 1970-01-01 UTC.
        jobs: The jobs that it delivers.
        history_length: Number of events in the history at its start.
        activations: Its activations, in order.
        commands: The commands of the run, in order.
        sent: The commands that Core sends to the server, and the results of local activities.
        closing: The command that ends the run, if there is one.
        failure: The failure of the task, if it failed.
    """

    number: int
    at: int
    jobs: list[WorkflowActivationJob]
    history_length: int
    activations: list[Activation] = field(default_factory=list)
    commands: list[WorkflowCommand] = field(default_factory=list)
    sent: list[WorkflowCommand | LocalResult] = field(default_factory=list)
    closing: WorkflowCommand | None = None
    failure: Failure | None = None

    @property
    def rejected(self) -> set[str]:
        """The ids of the updates that the task rejected."""
        accepted, rejected = set(), set()
        for command in self.commands:
            response = command.update_response
            if response.HasField("accepted"):
                accepted.add(response.protocol_instance_id)
            elif response.HasField("rejected") and response.protocol_instance_id not in accepted:
                rejected.add(response.protocol_instance_id)
        return rejected

    def recorded_commands(self) -> list[WorkflowCommand]:
        """Return the commands that cause events."""
        rejected = self.rejected
        return [
            command
            for command in self.commands
            if not (command.HasField("update_response") and command.update_response.protocol_instance_id in rejected)
        ]

    def replay_jobs(self) -> list[WorkflowActivationJob]:
        """Return the jobs of a replay: with the patches of the history, without rejected updates."""
        patches = [
            jobs.patch(command.set_patch_marker.patch_id)
            for command in self.commands
            if command.HasField("set_patch_marker")
        ]
        rejected, replayed = self.rejected, []
        for job in self.jobs:
            if job.HasField("do_update"):
                if job.do_update.protocol_instance_id in rejected:
                    continue
                copy = WorkflowActivationJob()
                copy.CopyFrom(job)
                copy.do_update.run_validator = False
                replayed.append(copy)
            else:
                replayed.append(job)
        return patches + replayed

    @property
    def leaves_no_events(self) -> bool:
        """True if the task only delivered updates and rejected all of them, so that the history does not contain it."""
        only_updates = all(job.HasField("do_update") for job in self.jobs)
        return bool(self.jobs) and only_updates and not self.recorded_commands()
