"""Child workflows, resolved by jobs of Core."""

from __future__ import annotations

from assay.errors import ErrorObject
from assay.temporal.core.protos import (
    ChildWorkflowResult,
    ResolveChildWorkflowExecutionStart,
    StartChildWorkflowExecutionFailedCause,
    WorkflowCommand,
)
from assay.temporal.workflow.run.commands import CommandEntry
from assay.temporal.workflow.run.entries import Entry
from assay.temporal.workflow.run.outbound import Outbound

_EXISTS = StartChildWorkflowExecutionFailedCause.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS


class Child(CommandEntry):
    """A child workflow, with separate entries for its start and its end."""

    __slots__ = ("_command", "started", "workflow_id")

    def __init__(self, outbound: Outbound, command: WorkflowCommand) -> None:
        super().__init__(outbound, f"child workflow '{command.start_child_workflow_execution.workflow_type}'")
        self._command: WorkflowCommand | None = command
        self.workflow_id = command.start_child_workflow_execution.workflow_id
        self.started: Entry[str | None] = Entry()
        """Run id, available once the child has started; None if it ended before that."""
        self.when_done(self._resolve_start)

    def _start(self) -> None:
        command, self._command = self._command, None
        assert command is not None
        self._seq = self._outbound.register("child_workflow", self)
        command.start_child_workflow_execution.seq = self._seq
        self._outbound.append(command)

    def _resolve_start(self) -> None:
        if not self.started.is_done:
            self.started.resolve(None)

    def _request_cancel(self) -> None:
        self._outbound.add().cancel_child_workflow_execution.child_workflow_seq = self._seq

    def start_resolved(self, job: ResolveChildWorkflowExecutionStart) -> None:
        """Resolve the start, or end with the failure to start."""
        if job.HasField("succeeded"):
            self.started.resolve(job.succeeded.run_id)
            return
        self._outbound.take("child_workflow", self._seq)
        if job.HasField("cancelled"):
            self.fail_with(job.cancelled.failure)
        elif job.failed.cause == _EXISTS:
            workflow_id = job.failed.workflow_id
            text = f"workflow '{workflow_id}' has already started"
            self.fail(lambda: ErrorObject(text, kind="already_started", workflow_id=workflow_id))
        else:
            name = StartChildWorkflowExecutionFailedCause.Name(job.failed.cause)
            reason = name.removeprefix("START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_").lower().replace("_", " ")
            text = f"child workflow '{job.failed.workflow_type}' cannot be started: {reason}"
            self.fail(lambda: ErrorObject(text, kind="child_workflow"))

    def resolved(self, result: ChildWorkflowResult) -> None:
        """End with the result of Core."""
        self._outbound.take("child_workflow", self._seq)
        self.complete(result)
