"""Nexus operations, resolved by jobs of Core."""

from __future__ import annotations

from assay.temporal.core.protos import NexusOperationResult, ResolveNexusOperationStart, WorkflowCommand
from assay.temporal.workflow.run.commands import CommandEntry
from assay.temporal.workflow.run.outbound import Outbound


class NexusOperation(CommandEntry):
    """A Nexus operation."""

    __slots__ = ("_command",)

    def __init__(self, outbound: Outbound, command: WorkflowCommand) -> None:
        super().__init__(outbound, f"operation '{command.schedule_nexus_operation.operation}'")
        self._command: WorkflowCommand | None = command

    def _start(self) -> None:
        command, self._command = self._command, None
        assert command is not None
        self._seq = self._outbound.register("nexus_operation", self)
        command.schedule_nexus_operation.seq = self._seq
        self._outbound.append(command)

    def _request_cancel(self) -> None:
        self._outbound.add().request_cancel_nexus_operation.seq = self._seq

    def start_resolved(self, job: ResolveNexusOperationStart) -> None:
        """End if the operation could not be started; otherwise `resolved` follows."""
        if job.HasField("failed"):
            self._outbound.take("nexus_operation", self._seq)
            self.fail_with(job.failed)

    def resolved(self, result: NexusOperationResult) -> None:
        """End with the result of Core."""
        self._outbound.take("nexus_operation", self._seq)
        variant = result.WhichOneof("status")
        if variant == "completed":
            self.resolve_with(result.completed)
        else:
            self.fail_with(getattr(result, variant or "failed"))
