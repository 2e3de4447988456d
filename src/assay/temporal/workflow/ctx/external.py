"""Methods of `ctx` that signal and cancel other workflows of the namespace."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from assay.errors import ErrorObject
from assay.lua.declare import method
from assay.lua.values import Json, Name
from assay.temporal.core.protos import WorkflowCommand
from assay.temporal.workflow.ctx.calls import input_payloads, wait_uncancelled
from assay.temporal.workflow.run.entries import Cancelled
from assay.temporal.workflow.run.external import CancelRequest, SentSignal
from assay.temporal.workflow.run.run import Run

_NOT_FOUND = "ExternalWorkflowExecutionNotFound"


@dataclass(kw_only=True)
class SignalTarget:
    """Signal to another workflow.

    Attributes:
        workflow_id: Workflow id.
        run_id: Run id; defaults to the latest run.
        signal_name: Signal name.
        input: Payload of the signal.
    """

    workflow_id: Name
    run_id: Name | None = None
    signal_name: Name
    input: Json | None = None


@dataclass(kw_only=True)
class OtherWorkflow:
    """Another workflow.

    Attributes:
        workflow_id: Workflow id.
        run_id: Run id; defaults to the latest run.
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
    target.args.extend(input_payloads(run, value))
    if run.settings.spans is not None:
        run.settings.spans.called(run, span, target.headers)
    run.outbound.reserve(command)
    signal = SentSignal(run.outbound, command)
    signal.start()
    try:
        await signal
    except Cancelled:
        if signal.is_done:
            raise
        signal.cancel()
        await wait_uncancelled(run, signal)  # if it was sent already, the next wait is cancelled instead
        assert run.fiber is not None
        run.fiber.cancel_next_wait()


async def _await_external(title: str, workflow_id: str, call: Awaitable[object]) -> None:
    """Await a call and raise a readable error if there is no such workflow."""
    try:
        await call
    except ErrorObject as error:
        if error.fields.get("type") != _NOT_FOUND:
            raise
        raised = ErrorObject(f"{title}: no running workflow '{workflow_id}'", kind="not_found", type=_NOT_FOUND)
        raised.origin = error.origin
        raise raised from None


class ExternalWorkflows:
    """Signals and cancellation of other workflows."""

    _run: Run

    @method
    async def signal_workflow(self, options: SignalTarget) -> None:
        """Send a signal to another workflow and wait until the server has delivered it.

        Raises an error of kind "not_found" if the workflow is not running.

        Args:
            options: Workflow and signal.
        """
        run = self._run
        command = WorkflowCommand()
        target = command.signal_external_workflow_execution.workflow_execution
        target.namespace, target.workflow_id = run.settings.namespace, options.workflow_id
        target.run_id = options.run_id or ""
        name = options.signal_name
        sending = _signal(run, f"SignalExternalWorkflow:{name}", command, name, options.input)
        await _await_external("ctx:signal_workflow", options.workflow_id, sending)

    @method
    async def cancel_workflow(self, options: OtherWorkflow) -> None:
        """Request cancellation of another workflow and wait until the server has delivered the request.

        Raises an error of kind "not_found" if the workflow is not running.

        Args:
            options: Workflow.
        """
        run = self._run
        command = WorkflowCommand()
        target = command.request_cancel_external_workflow_execution.workflow_execution
        target.namespace, target.workflow_id = run.settings.namespace, options.workflow_id
        target.run_id = options.run_id or ""
        run.outbound.reserve(command)
        request = CancelRequest(run.outbound, command)
        request.start()
        await _await_external("ctx:cancel_workflow", options.workflow_id, request)
