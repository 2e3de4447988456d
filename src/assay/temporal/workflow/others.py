"""`ctx`: what a workflow does to other workflows of its namespace."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

from assay.errors import ErrorObject
from assay.lua.declare import method
from assay.lua.values import Json, Name
from assay.temporal import payloads
from assay.temporal.failures import to_error_object

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


async def _ask(title: str, workflow_id: str, call: Coroutine[Any, Any, None]) -> None:
    try:
        await call
    except FailureError as error:
        raised = to_error_object(error)
        if raised.fields.get("type") == _NOT_FOUND:
            raised = ErrorObject(f"{title}: no workflow '{workflow_id}' runs", kind="not_found", type=_NOT_FOUND)
            raised.origin = error
        raise raised from error


class Others:
    """Signals and cancellation of other workflows."""

    @method
    async def signal_workflow(self, options: SignalTarget) -> None:
        """Send a signal to another workflow, and wait until it is in its history.

        A workflow that does not run is an error of kind "not_found".

        Args:
            options: Which signal to send where.
        """
        handle = workflow.get_external_workflow_handle(options.workflow_id, run_id=options.run_id)
        sending = handle.signal(options.signal_name, args=payloads.arguments(options.input))
        await _ask("ctx:signal_workflow", options.workflow_id, sending)

    @method
    async def cancel_workflow(self, options: OtherWorkflow) -> None:
        """Ask another workflow to cancel, and wait until the request is in its history.

        A workflow that does not run is an error of kind "not_found".

        Args:
            options: The workflow.
        """
        handle = workflow.get_external_workflow_handle(options.workflow_id, run_id=options.run_id)
        await _ask("ctx:cancel_workflow", options.workflow_id, handle.cancel())
