"""What a client can do with a workflow from outside: wait for it, end it, reset it, read its history."""

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
from assay.temporal.client.session import RunOptions, Session, answer, ended
from assay.temporal.client.unserved import warned_if_unserved

if TYPE_CHECKING:
    from temporalio.client import WorkflowHandle


@dataclass(kw_only=True)
class ResultOptions(RunOptions):
    """Whose result to wait for.

    Attributes:
        follow_runs: Continue with the next run when the workflow continued as new or was retried.
        timeout: Seconds to wait; without it as long as it takes.
        rpc_timeout: Seconds until the server is asked anew; the waiting continues.
    """

    follow_runs: bool = True
    timeout: Seconds | None = None


@dataclass(kw_only=True)
class CancelOptions(RunOptions):
    """Which workflow to cancel.

    Attributes:
        reason: Why; kept in the history.
        first_execution_run_id: Only if the run is of the chain of retries and continuations that began with this one.
    """

    reason: str | None = None
    first_execution_run_id: Name | None = None


@dataclass(kw_only=True)
class TerminateOptions(CancelOptions):
    """Which workflow to terminate.

    Attributes:
        details: Any value; kept in the history, and the `details` of the error that `get_result` raises.
    """

    details: Value = None


@dataclass(kw_only=True)
class HistoryOptions(RunOptions):
    """Whose history to fetch.

    Attributes:
        event_filter_type: All events, or only the one that closes the workflow.
        skip_archival: Do not look into the archive.
    """

    event_filter_type: Literal["all_event", "close_event"] = "all_event"
    skip_archival: bool = False


@dataclass(kw_only=True)
class ResetOptions(RunOptions):
    """Which workflow to reset, and to where.

    Attributes:
        event_id: The WORKFLOW_TASK_COMPLETED event (or one that started, failed or timed out) that the new run starts
            from: what is before it stays, what comes after is done anew.
        reason: Why; kept in the history.
    """

    event_id: int
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.event_id < 1:
            raise BuiltinError(f"bad option 'event_id' (an event's number from 1 up expected, got {self.event_id})")


@dataclass
class Reset:
    """What a reset made.

    Attributes:
        run_id: The new run.
    """

    run_id: str


class WorkflowMethods(Session):
    """The client's methods that act on a workflow from outside."""

    def _of_chain(self, options: CancelOptions) -> WorkflowHandle[Any, Any]:
        return self.sdk.get_workflow_handle(
            options.workflow_id, run_id=options.run_id, first_execution_run_id=options.first_execution_run_id
        )

    @method
    async def get_result(self, options: ResultOptions) -> Json:
        """Wait until a workflow has ended; returns its result.

        The failure of a workflow is raised as it is. One that was cancelled, terminated or timed out is an error of the
        kind "cancelled", "terminated" or "timeout".

        When no worker takes the workflow a warning says so after 5 seconds.

        Args:
            options: Whose result to wait for.
        """
        handle = self.handle(options)
        result: Awaitable[RawValue] = handle.result(follow_runs=options.follow_runs, **options.rpc())
        what = f"workflow '{options.workflow_id}'"
        async with warned_if_unserved(self.sdk, handle):
            return values.result(await ended("client:get_result", what, result, options.timeout))

    @method
    async def cancel_workflow(self, target: Name | CancelOptions) -> None:
        """Ask a workflow to cancel: what it waits for raises an error of kind "cancelled".

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, CancelOptions) else CancelOptions(workflow_id=target)
        call = self._of_chain(where).cancel(reason=where.reason or "", **where.rpc())
        await answer("client:cancel_workflow", call)

    @method
    async def terminate_workflow(self, target: Name | TerminateOptions) -> None:
        """End a workflow at once, without asking it.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, TerminateOptions) else TerminateOptions(workflow_id=target)
        details = [] if where.details is None else [values.raw(where.details, "details")]
        call = self._of_chain(where).terminate(*details, reason=where.reason, **where.rpc())
        await answer("client:terminate_workflow", call)

    @method
    async def reset_workflow(self, options: ResetOptions) -> Reset:
        """End a workflow's run and start a new one with its history up to an event; returns the new run's id.

        Args:
            options: Which workflow to reset, and to where.
        """
        sdk, given = self.sdk, options.rpc()
        request = ResetWorkflowExecutionRequest(
            namespace=sdk.namespace,
            workflow_execution=WorkflowExecution(workflow_id=options.workflow_id, run_id=options.run_id or ""),
            workflow_task_finish_event_id=options.event_id,
            reason=options.reason or "",
            request_id=str(uuid.uuid4()),
            identity=sdk.identity,
        )
        call = sdk.workflow_service.reset_workflow_execution(
            request, retry=True, timeout=given["rpc_timeout"], metadata=given["rpc_metadata"]
        )
        return Reset((await answer("client:reset_workflow", call)).run_id)

    @method
    async def fetch_history(self, target: Name | HistoryOptions) -> Json:
        """Fetch a workflow's history: `{events}`, in the JSON form of Temporal's command line and Web UI.

        Written to a file with `json.encode` it can be replayed.

        Args:
            target: Its id, or a table.
        """
        from temporalio.client import WorkflowHistoryEventFilterType

        where = target if isinstance(target, HistoryOptions) else HistoryOptions(workflow_id=target)
        call = self.handle(where).fetch_history(
            event_filter_type=WorkflowHistoryEventFilterType[where.event_filter_type.upper()],
            skip_archival=where.skip_archival,
            **where.rpc(),
        )
        history = await answer("client:fetch_history", call)
        return Json(orjson.dumps(history.to_json_dict()))
