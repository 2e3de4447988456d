"""Signals to other workflows and cancel requests for them, resolved by jobs of Core."""

from __future__ import annotations

from temporalio.api.failure.v1 import Failure

from assay.temporal.core.protos import WorkflowCommand
from assay.temporal.workflow.run.commands import CommandEntry
from assay.temporal.workflow.run.outbound import Outbound


class SentSignal(CommandEntry):
    """A signal to another workflow. It can be cancelled until Core has sent it."""

    __slots__ = ("_command",)

    def __init__(self, outbound: Outbound, command: WorkflowCommand) -> None:
        super().__init__(outbound, "a signal")
        self._command = command

    def _start(self) -> None:
        self._seq = self._outbound.register("external_signal", self)
        self._command.signal_external_workflow_execution.seq = self._seq
        self._outbound.append(self._command)

    def _request_cancel(self) -> None:
        self._outbound.add().cancel_signal_workflow.seq = self._seq

    def resolved(self, failure: Failure | None) -> None:
        """End after delivery, or with the failure to deliver."""
        self._outbound.take("external_signal", self._seq)
        _end(self, failure)


class CancelRequest(CommandEntry):
    """A cancel request for another workflow. It cannot be cancelled."""

    __slots__ = ("_command",)

    def __init__(self, outbound: Outbound, command: WorkflowCommand) -> None:
        super().__init__(outbound, "a cancel request")
        self._command = command

    def _start(self) -> None:
        self._seq = self._outbound.register("external_cancel", self)
        self._command.request_cancel_external_workflow_execution.seq = self._seq
        self._outbound.append(self._command)

    def resolved(self, failure: Failure | None) -> None:
        """End after delivery, or with the failure to deliver."""
        self._outbound.take("external_cancel", self._seq)
        _end(self, failure)


def _end(entry: CommandEntry, failure: Failure | None) -> None:
    if failure is None:
        entry.resolve(None)
    else:
        entry.fail_with(failure)
