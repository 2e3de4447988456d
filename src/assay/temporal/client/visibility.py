"""Client methods that describe, list and count workflows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.common import RawValue

from assay.errors import BuiltinError
from assay.lua.declare import method
from assay.lua.outcomes import Results
from assay.lua.values import Name, Value
from assay.temporal.client import values
from assay.temporal.client.session import CallOptions, RunOptions, Session, call_server
from assay.temporal.data import search_attributes
from assay.temporal.data.times import timestamp

if TYPE_CHECKING:
    from temporalio.client import WorkflowExecution, WorkflowExecutionAsyncIterator, WorkflowExecutionDescription


@dataclass(kw_only=True)
class CountOptions(CallOptions):
    """Options of `client:count_workflows`.

    Attributes:
        query: List filter such as `WorkflowType = "Order" AND ExecutionStatus = "Running"`; all if omitted.
    """

    query: str | None = None


@dataclass(kw_only=True)
class ListOptions(CountOptions):
    """Options of the methods that list.

    Attributes:
        page_size: Number of entries per request to the server.
        limit: Maximum number of entries; no limit if omitted.
    """

    page_size: int = 1000
    limit: int | None = None

    def __post_init__(self) -> None:
        for option in ("page_size", "limit"):
            count = getattr(self, option)
            if count is not None and not 1 <= count < 2**31:
                raise BuiltinError(f"bad option '{option}' (positive integer expected, got {count})")


@dataclass
class PendingActivity:
    """A pending activity of a workflow. Times are seconds since 1970-01-01 UTC.

    Attributes:
        activity_id: Activity id.
        activity_type: Activity type.
        state: SCHEDULED, STARTED, CANCEL_REQUESTED, PAUSED or PAUSE_REQUESTED.
        attempt: Number of the current attempt, from 1.
        maximum_attempts: Maximum number of attempts; 0 for no limit.
        scheduled_time: Time for which the current attempt is scheduled.
        last_started_time: Start of the last attempt.
        last_heartbeat_time: Time of the last heartbeat.
        last_failure: Message of the last failure.
    """

    activity_id: str
    activity_type: str
    state: str
    attempt: int
    maximum_attempts: int
    scheduled_time: float | None
    last_started_time: float | None
    last_heartbeat_time: float | None
    last_failure: str | None


@dataclass
class Description:
    """Description of a workflow. Times are seconds since 1970-01-01 UTC.

    Attributes:
        workflow_id: Workflow id.
        run_id: Run id.
        status: RUNNING, COMPLETED, FAILED, CANCELED, TERMINATED, CONTINUED_AS_NEW, TIMED_OUT or PAUSED.
        workflow_type: Workflow type, as registered by the worker.
        task_queue: Task queue of the workflow's workers.
        start_time: Start of the run.
        execution_time: Time of the first workflow task; later than `start_time` after a start delay.
        close_time: Time of the end; absent while the workflow is running.
        history_length: Number of events; 0 in lists while the workflow is running.
        parent_id: Workflow id of the parent, if any.
        parent_run_id: Run id of the parent.
        root_id: Workflow id of the topmost ancestor; its own id if the workflow has no parent.
        root_run_id: Run id of the topmost ancestor.
        memo: Non-indexed values by name; a value that is neither JSON nor text is a string of its bytes.
        search_attributes: Indexed values by name.
        static_summary: One-line summary; absent in lists.
        static_details: Detailed description; absent in lists.
        pending_activities: Activities that the workflow waits for; absent in lists.
    """

    workflow_id: str
    run_id: str
    status: str | None
    workflow_type: str
    task_queue: str
    start_time: float | None
    execution_time: float | None
    close_time: float | None
    history_length: int
    parent_id: str | None
    parent_run_id: str | None
    root_id: str | None
    root_run_id: str | None
    memo: dict[str, Value]
    search_attributes: dict[str, Value]
    static_summary: str | None = None
    static_details: str | None = None
    pending_activities: list[PendingActivity] | None = None


async def _row(execution: WorkflowExecution) -> Description:
    return Description(
        workflow_id=execution.id,
        run_id=execution.run_id,
        status=execution.status.name if execution.status is not None else None,
        workflow_type=execution.workflow_type,
        task_queue=execution.task_queue,
        start_time=timestamp(execution.start_time),
        execution_time=timestamp(execution.execution_time),
        close_time=timestamp(execution.close_time),
        history_length=execution.history_length,
        parent_id=execution.parent_id,
        parent_run_id=execution.parent_run_id,
        root_id=execution.root_id,
        root_run_id=execution.root_run_id,
        memo=values.plain_table(await execution.memo()) if execution.raw_info.memo.fields else {},
        search_attributes=search_attributes.as_table(execution.typed_search_attributes),
    )


def _pending(info: PendingActivityInfo) -> PendingActivity:
    def time(field: str) -> float | None:
        return getattr(info, field).ToMicroseconds() / 1e6 if info.HasField(field) else None  # type: ignore[arg-type]

    return PendingActivity(
        activity_id=info.activity_id,
        activity_type=info.activity_type.name,
        state=PendingActivityState.Name(info.state).removeprefix("PENDING_ACTIVITY_STATE_"),
        attempt=info.attempt,
        maximum_attempts=info.maximum_attempts,
        scheduled_time=time("scheduled_time"),
        last_started_time=time("last_started_time"),
        last_heartbeat_time=time("last_heartbeat_time"),
        last_failure=info.last_failure.message if info.HasField("last_failure") else None,
    )


def _text(value: Any) -> Any:
    """Decode a string of the user metadata, which our converter returns as a payload."""
    return values.plain(value) if isinstance(value, RawValue) else value


async def _describe(description: WorkflowExecutionDescription) -> Description:
    row = await _row(description)
    row.static_summary = _text(await description.static_summary())
    row.static_details = _text(await description.static_details())
    row.pending_activities = [_pending(info) for info in description.raw_description.pending_activities]
    return row


class WorkflowPages:
    """Iterator of `each_workflow`, for a generic `for`."""

    lua_name: ClassVar[str] = "temporal.WorkflowPages"
    lua_prefix: ClassVar[str] = "client:each_workflow"

    def __init__(self, rows: AsyncIterator[WorkflowExecution]) -> None:
        self._rows = rows

    @method
    async def __call__(self) -> Description | None:
        """Return the next workflow, or nil after the last."""
        execution = await call_server(self.lua_prefix, _next(self._rows))
        return None if execution is None else await _row(execution)


async def _next(rows: AsyncIterator[WorkflowExecution]) -> WorkflowExecution | None:
    return await anext(rows, None)


class VisibilityMethods(Session):
    """Client methods that describe, list and count workflows."""

    def _executions(self, options: ListOptions | None) -> WorkflowExecutionAsyncIterator:
        options = options or ListOptions()
        return self.sdk.list_workflows(options.query, limit=options.limit, page_size=options.page_size, **options.rpc())

    @method
    async def describe_workflow(self, target: Name | RunOptions) -> Description:
        """Describe a workflow.

        Args:
            target: Workflow id, or a table of options.
        """
        options = target if isinstance(target, RunOptions) else RunOptions(workflow_id=target)
        call = self.handle(options).describe(**options.rpc())
        return await _describe(await call_server("client:describe_workflow", call))

    @method
    async def list_workflows(self, options: ListOptions | None = None) -> list[Description]:
        """List workflows as an array, the most recently started first.

        The list is eventually consistent and may lag by about a second.

        Args:
            options: Filter and limits.
        """

        async def rows() -> list[Description]:
            return [await _row(execution) async for execution in self._executions(options)]

        return await call_server("client:list_workflows", rows())

    @method
    def each_workflow(self, options: ListOptions | None = None) -> WorkflowPages:
        """Iterate over workflows: `for workflow in client:each_workflow({ query = … }) do`.

        Pages are fetched from the server as needed.

        Args:
            options: Filter and limits.
        """
        return WorkflowPages(self._executions(options))

    @method
    async def count_workflows(self, options: CountOptions | None = None) -> Results:
        """Return the number of workflows.

        For a query with `GROUP BY`, also return an array of `{count, values}`, where `values` are those of the grouping
        attributes.

        Args:
            options: Filter.
        """
        options = options or CountOptions()
        call = self.sdk.count_workflows(options.query, **options.rpc())
        result = await call_server("client:count_workflows", call)
        groups: list[dict[str, Any]] = [
            {"count": group.count, "values": [search_attributes.as_value(value) for value in group.group_values]}
            for group in result.groups
        ]
        return Results((result.count, groups if groups or _grouped(options.query) else None))


def _grouped(query: str | None) -> bool:
    return query is not None and "group by" in " ".join(query.lower().split())
