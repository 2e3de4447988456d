"""Client methods for one workflow: result, cancel, terminate, reset, history."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.common import RawValue

from assay.errors import BuiltinError
from assay.lua.declare import method
from assay.lua.values import Json, Name, Seconds, Value
from assay.temporal.client import values
from assay.temporal.client.session import RunOptions, Session, await_completion, call_server
from assay.temporal.client.unserved import warned_if_unserved

if TYPE_CHECKING:
    from temporalio.client import WorkflowHandle


@dataclass(kw_only=True)
class ResultOptions(RunOptions):
    """Options of `client:get_result`.

    Attributes:
        follow_runs: Follow the chain of runs when the workflow continued as new or was retried.
        timeout: Maximum time to wait, in seconds; no limit if omitted.
        rpc_timeout: Timeout of one long poll, in seconds; the client then polls again.
    """

    follow_runs: bool = True
    timeout: Seconds | None = None


@dataclass(kw_only=True)
class CancelOptions(RunOptions):
    """Options of `client:cancel_workflow`.

    Attributes:
        reason: Reason, recorded in the history.
        first_execution_run_id: First run of the chain; the call fails if the workflow belongs to another chain.
    """

    reason: str | None = None
    first_execution_run_id: Name | None = None


@dataclass(kw_only=True)
class TerminateOptions(CancelOptions):
    """Options of `client:terminate_workflow`.

    Attributes:
        details: Any value, recorded in the history and returned as `details` of the error that `get_result` raises.
    """

    details: Value = None


@dataclass(kw_only=True)
class HistoryOptions(RunOptions):
    """Options of `client:fetch_history`.

    Attributes:
        event_filter_type: All events, or only the event that closes the workflow.
        skip_archival: Do not read archived histories.
    """

    event_filter_type: Literal["all_event", "close_event"] = "all_event"
    skip_archival: bool = False


@dataclass(kw_only=True)
class ResetOptions(RunOptions):
    """Options of `client:reset_workflow`.

    Attributes:
        event_id: Id of the event to reset to: a WORKFLOW_TASK_COMPLETED, STARTED, FAILED or TIMED_OUT event. The new
            run keeps the events before it and executes the rest again.
        reason: Reason, recorded in the history.
    """

    event_id: int
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.event_id < 1:
            raise BuiltinError(f"bad option 'event_id' (positive event id expected, got {self.event_id})")


@dataclass
class Reset:
    """Result of `client:reset_workflow`.

    Attributes:
        run_id: Id of the new run.
    """

    run_id: str


class WorkflowMethods(Session):
    """Client methods for the result, the end and the history of a workflow."""

    def _chain_handle(self, options: CancelOptions) -> WorkflowHandle[Any, Any]:
        return self.sdk.get_workflow_handle(
            options.workflow_id, run_id=options.run_id, first_execution_run_id=options.first_execution_run_id
        )

    @method
    async def get_result(self, options: ResultOptions) -> Json:
        """Wait for a workflow to complete and return its result.

        The failure of a workflow is raised unchanged. A workflow that was cancelled, terminated or timed out raises an
        error of kind "cancelled", "terminated" or "timeout". If the workflow has not ended after `timeout`, an error of
        kind "timeout" is raised, and the workflow continues.

        A warning is logged after 5 seconds if no worker polls the workflow's task queue.

        Args:
            options: Workflow id and wait options.
        """
        handle = self.handle(options)
        result: Awaitable[RawValue] = handle.result(follow_runs=options.follow_runs, **options.rpc())
        subject = f"workflow '{options.workflow_id}'"
        async with warned_if_unserved(self.sdk, handle):
            return values.result(await await_completion("client:get_result", subject, result, options.timeout))

    @method
    async def cancel_workflow(self, target: Name | CancelOptions) -> None:
        """Request cancellation of a workflow: its pending waits raise an error of kind "cancelled".

        Args:
            target: Workflow id, or a table of options.
        """
        options = target if isinstance(target, CancelOptions) else CancelOptions(workflow_id=target)
        call = self._chain_handle(options).cancel(reason=options.reason or "", **options.rpc())
        await call_server("client:cancel_workflow", call)

    @method
    async def terminate_workflow(self, target: Name | TerminateOptions) -> None:
        """Terminate a workflow immediately, without notifying its code.

        Args:
            target: Workflow id, or a table of options.
        """
        options = target if isinstance(target, TerminateOptions) else TerminateOptions(workflow_id=target)
        details = [] if options.details is None else [values.raw(options.details, "details")]
        call = self._chain_handle(options).terminate(*details, reason=options.reason, **options.rpc())
        await call_server("client:terminate_workflow", call)

    @method
    async def reset_workflow(self, options: ResetOptions) -> Reset:
        """Terminate a workflow's run and start a new run from an event of its history; return the new run's id.

        Args:
            options: Workflow id and event to reset to.
        """
        sdk, rpc = self.sdk, options.rpc()
        request = ResetWorkflowExecutionRequest(
            namespace=sdk.namespace,
            workflow_execution=WorkflowExecution(workflow_id=options.workflow_id, run_id=options.run_id or ""),
            workflow_task_finish_event_id=options.event_id,
            reason=options.reason or "",
            request_id=str(uuid.uuid4()),
            identity=sdk.identity,
        )
        call = sdk.workflow_service.reset_workflow_execution(
            request, retry=True, timeout=rpc["rpc_timeout"], metadata=rpc["rpc_metadata"]
        )
        return Reset((await call_server("client:reset_workflow", call)).run_id)

    @method
    async def fetch_history(self, target: Name | HistoryOptions) -> Json:
        """Fetch a workflow's history as `{events}`, in the JSON format of the Temporal CLI and Web UI.

        Write it to a file with `json.encode` to replay it.

        Args:
            target: Workflow id, or a table of options.
        """
        from temporalio.client import WorkflowHistoryEventFilterType

        options = target if isinstance(target, HistoryOptions) else HistoryOptions(workflow_id=target)
        call = self.handle(options).fetch_history(
            event_filter_type=WorkflowHistoryEventFilterType[options.event_filter_type.upper()],
            skip_archival=options.skip_archival,
            **options.rpc(),
        )
        history = await call_server("client:fetch_history", call)
        return Json(orjson.dumps(history.to_json_dict()))
