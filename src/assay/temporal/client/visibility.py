"""Which workflows there are: descriptions, lists and counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.common import RawValue

from assay.errors import BuiltinError
from assay.lua.declare import method
from assay.lua.outcomes import Several
from assay.lua.values import Name, Value
from assay.temporal.client import values
from assay.temporal.client.session import CallOptions, RunOptions, Session, answer
from assay.temporal.data import search_attributes
from assay.temporal.data.times import timestamp

if TYPE_CHECKING:
    from temporalio.client import WorkflowExecution, WorkflowExecutionAsyncIterator, WorkflowExecutionDescription


@dataclass(kw_only=True)
class CountOptions(CallOptions):
    """Which workflows.

    Attributes:
        query: A list filter such as `WorkflowType = "Order" AND ExecutionStatus = "Running"`; all when left out.
    """

    query: str | None = None


@dataclass(kw_only=True)
class ListOptions(CountOptions):
    """Which workflows to list.

    Attributes:
        page_size: How many the server is asked for at a time.
        limit: The most that are listed; all that match when left out.
    """

    page_size: int = 1000
    limit: int | None = None

    def __post_init__(self) -> None:
        for option in ("page_size", "limit"):
            count = getattr(self, option)
            if count is not None and not 1 <= count < 2**31:
                raise BuiltinError(f"bad option '{option}' (a whole number from 1 up expected, got {count})")


@dataclass
class PendingActivity:
    """An activity that a workflow waits for. Times are seconds since 1970-01-01 UTC.

    Attributes:
        activity_id: Its id.
        activity_type: Its name.
        state: SCHEDULED, STARTED, CANCEL_REQUESTED, PAUSED or PAUSE_REQUESTED.
        attempt: The attempt, from 1.
        maximum_attempts: How many there may be; 0 for no limit.
        scheduled_time: When this attempt is or was due.
        last_started_time: When the last attempt began.
        last_heartbeat_time: When it was last heard of.
        last_failure: The message of the failure before.
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
    """What the server knows of a workflow. Times are seconds since 1970-01-01 UTC.

    Attributes:
        workflow_id: The workflow.
        run_id: The run.
        status: RUNNING, COMPLETED, FAILED, CANCELED, TERMINATED, CONTINUED_AS_NEW, TIMED_OUT or PAUSED.
        workflow_type: The name that the worker registered.
        task_queue: Where its worker looks for it.
        start_time: When the run was started.
        execution_time: When its first task was or is due: later than `start_time` after a delay.
        close_time: When it ended; absent while it runs.
        history_length: The number of its events; in a list 0 while it runs.
        parent_id: The workflow that started it, if one did.
        parent_run_id: The run of that workflow.
        root_id: The workflow at the top of a chain of child workflows; its own id when it is not a child.
        root_run_id: The run of that workflow.
        memo: Values by name; what is neither JSON nor text is a string of bytes.
        search_attributes: Values by name.
        static_summary: One line about it; not in a list.
        static_details: More about it; not in a list.
        pending_activities: What it waits for; not in a list.
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


async def _row(found: WorkflowExecution) -> Description:
    return Description(
        workflow_id=found.id,
        run_id=found.run_id,
        status=found.status.name if found.status is not None else None,
        workflow_type=found.workflow_type,
        task_queue=found.task_queue,
        start_time=timestamp(found.start_time),
        execution_time=timestamp(found.execution_time),
        close_time=timestamp(found.close_time),
        history_length=found.history_length,
        parent_id=found.parent_id,
        parent_run_id=found.parent_run_id,
        root_id=found.root_id,
        root_run_id=found.root_run_id,
        memo=values.plain_table(await found.memo()) if found.raw_info.memo.fields else {},
        search_attributes=search_attributes.as_table(found.typed_search_attributes),
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
    """A text of the user metadata, which our converter hands through as a payload."""
    return values.plain(value) if isinstance(value, RawValue) else value


async def _describe(found: WorkflowExecutionDescription) -> Description:
    row = await _row(found)
    row.static_summary = _text(await found.static_summary())
    row.static_details = _text(await found.static_details())
    row.pending_activities = [_pending(info) for info in found.raw_description.pending_activities]
    return row


class WorkflowPages:
    """The workflows of `each_workflow`: a generic `for` calls it for one after another."""

    lua_name: ClassVar[str] = "temporal.WorkflowPages"
    lua_prefix: ClassVar[str] = "client:each_workflow"

    def __init__(self, rows: AsyncIterator[WorkflowExecution]) -> None:
        self._rows = rows

    @method
    async def __call__(self) -> Description | None:
        """Return the next workflow, or nil after the last."""
        found = await answer(self.lua_prefix, _next(self._rows))
        return None if found is None else await _row(found)


async def _next(rows: AsyncIterator[WorkflowExecution]) -> WorkflowExecution | None:
    return await anext(rows, None)


class VisibilityMethods(Session):
    """The client's methods that list workflows."""

    def _listed(self, options: ListOptions | None) -> WorkflowExecutionAsyncIterator:
        given = options or ListOptions()
        return self.sdk.list_workflows(given.query, limit=given.limit, page_size=given.page_size, **given.rpc())

    @method
    async def describe_workflow(self, target: Name | RunOptions) -> Description:
        """Tell what the server knows of a workflow.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, RunOptions) else RunOptions(workflow_id=target)
        call = self.handle(where).describe(**where.rpc())
        return await _describe(await answer("client:describe_workflow", call))

    @method
    async def list_workflows(self, options: ListOptions | None = None) -> list[Description]:
        """List workflows as an array, those that started last first. The list lags behind by up to a second or so.

        Args:
            options: Which workflows to list.
        """

        async def rows() -> list[Description]:
            return [await _row(found) async for found in self._listed(options)]

        return await answer("client:list_workflows", rows())

    @method
    def each_workflow(self, options: ListOptions | None = None) -> WorkflowPages:
        """List workflows one by one: `for workflow in client:each_workflow({ query = … }) do`.

        The server is asked for a page when the one before is used up.

        Args:
            options: Which workflows to list.
        """
        return WorkflowPages(self._listed(options))

    @method
    async def count_workflows(self, options: CountOptions | None = None) -> Several:
        """Count workflows; returns their number.

        For a query with `GROUP BY` it also returns an array of `{count, values}`: `values` are those of the attributes
        that the query groups by.

        Args:
            options: Which workflows to count.
        """
        given = options or CountOptions()
        call = self.sdk.count_workflows(given.query, **given.rpc())
        found = await answer("client:count_workflows", call)
        groups: list[dict[str, Any]] = [
            {"count": group.count, "values": [search_attributes.as_value(value) for value in group.group_values]}
            for group in found.groups
        ]
        return Several((found.count, groups if groups or _grouped(given.query) else None))


def _grouped(query: str | None) -> bool:
    return query is not None and "group by" in " ".join(query.lower().split())
