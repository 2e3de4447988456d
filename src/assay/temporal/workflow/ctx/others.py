"""`ctx`: what a workflow does to other workflows of its namespace."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from assay.errors import ErrorObject
from assay.lua.declare import method
from assay.lua.values import Json, Name
from assay.temporal.core.protos import WorkflowCommand
from assay.temporal.workflow.ctx.calls import arguments, settled
from assay.temporal.workflow.run.entries import Cancelled
from assay.temporal.workflow.run.others import CancelRequest, SentSignal
from assay.temporal.workflow.run.run import Run

_NOT_FOUND = "ExternalWorkflowExecutionNotFound"


@dataclass(kw_only=True)
class SignalTarget:
    """Which signal to send where.

    Attributes:
        workflow_id: The workflow.
        run_id: One run of it; the latest when left out.
        signal_name: The signal.
        input: What `ctx:wait_signal` returns there.
    """

    workflow_id: Name
    run_id: Name | None = None
    signal_name: Name
    input: Json | None = None


@dataclass(kw_only=True)
class OtherWorkflow:
    """Another workflow.

    Attributes:
        workflow_id: The workflow.
        run_id: One run of it; the latest when left out.
    """

    workflow_id: Name
    run_id: Name | None = None


async def signal_child(run: Run, workflow_id: str, name: str, value: Json | None) -> None:
    """Send a signal to a child workflow."""
    command = WorkflowCommand()
    command.signal_external_workflow_execution.child_workflow_id = workflow_id
    await _signal(run, f"SignalChildWorkflow:{name}", command, name, value)


async def _signal(run: Run, span: str, command: WorkflowCommand, name: str, value: Json | None) -> None:
    target = command.signal_external_workflow_execution
    target.signal_name = name
    target.args.extend(arguments(run, value))
    if run.settings.spans is not None:
        run.settings.spans.called(run, span, target.headers)
    run.outbound.check(command)
    sent = SentSignal(run.outbound, command)
    sent.start()
    try:
        await sent
    except Cancelled:
        if sent.is_done:
            raise
        sent.cancel()
        await settled(run, sent)  # it may have been sent already: then the next wait meets the cancel
        assert run.fiber is not None
        run.fiber.cancel_next_wait()


async def _checked(title: str, workflow_id: str, call: Awaitable[object]) -> None:
    try:
        await call
    except ErrorObject as error:
        if error.fields.get("type") != _NOT_FOUND:
            raise
        raised = ErrorObject(f"{title}: no workflow '{workflow_id}' runs", kind="not_found", type=_NOT_FOUND)
        raised.origin = error.origin
        raise raised from None


class Others:
    """Signals and cancellation of other workflows."""

    _run: Run

    @method
    async def signal_workflow(self, options: SignalTarget) -> None:
        """Send a signal to another workflow, and wait until it is in its history.

        A workflow that does not run is an error of kind "not_found".

        Args:
            options: Which signal to send where.
        """
        run = self._run
        command = WorkflowCommand()
        target = command.signal_external_workflow_execution.workflow_execution
        target.namespace, target.workflow_id = run.settings.namespace, options.workflow_id
        target.run_id = options.run_id or ""
        name = options.signal_name
        sending = _signal(run, f"SignalExternalWorkflow:{name}", command, name, options.input)
        await _checked("ctx:signal_workflow", options.workflow_id, sending)

    @method
    async def cancel_workflow(self, options: OtherWorkflow) -> None:
        """Ask another workflow to cancel, and wait until the request is in its history.

        A workflow that does not run is an error of kind "not_found".

        Args:
            options: The workflow.
        """
        run = self._run
        command = WorkflowCommand()
        target = command.request_cancel_external_workflow_execution.workflow_execution
        target.namespace, target.workflow_id = run.settings.namespace, options.workflow_id
        target.run_id = options.run_id or ""
        run.outbound.check(command)
        request = CancelRequest(run.outbound, command)
        request.start()
        await _checked("ctx:cancel_workflow", options.workflow_id, request)
