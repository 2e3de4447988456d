"""Activities without a workflow: the server runs each, tries it again and keeps its result."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from temporalio.common import ActivityIDConflictPolicy, ActivityIDReusePolicy, RawValue

from assay.errors import BuiltinError
from assay.lua.declare import method
from assay.lua.values import Json, Name, Seconds, Value
from assay.temporal.client import values
from assay.temporal.client.session import CallOptions, Session, answer, ended
from assay.temporal.client.values import InputOptions
from assay.temporal.client.visibility import ListOptions
from assay.temporal.data import search_attributes
from assay.temporal.data.options import PriorityOptions, RetryPolicyOptions, priority, seconds
from assay.temporal.data.times import timestamp

if TYPE_CHECKING:
    from temporalio.client import ActivityExecution, ActivityHandle


@dataclass(kw_only=True)
class ActivityStartOptions(InputOptions, CallOptions):
    """Which activity to start. One of `start_to_close_timeout` and `schedule_to_close_timeout` has to be there.

    Attributes:
        task_queue: Where a worker looks for it.
        activity_type: The name that the worker registered.
        activity_id: Its id; a fresh UUID when left out.
        start_to_close_timeout: Seconds that one attempt may take.
        schedule_to_close_timeout: Seconds that all attempts may take, with the time in the queue.
        schedule_to_start_timeout: Seconds that an attempt may wait for a worker.
        heartbeat_timeout: Seconds that an attempt may go without a heartbeat.
        retry_policy: When and how often to try again.
        id_reuse_policy: Whether the id of an activity that has ended may be used again.
        id_conflict_policy: What happens when an activity with this id is running: "fail" raises an error of kind
            "already_started", "use_existing" takes that one.
        search_attributes: Values by name that queries can search.
        summary: What the Web UI shows beside it.
        start_delay: Seconds until its first attempt.
        priority: Who goes first when workers are busy: a table, or only its `priority_key`.
    """

    task_queue: Name
    activity_type: Name
    activity_id: Name | None = None
    start_to_close_timeout: Seconds | None = None
    schedule_to_close_timeout: Seconds | None = None
    schedule_to_start_timeout: Seconds | None = None
    heartbeat_timeout: Seconds | None = None
    retry_policy: RetryPolicyOptions | None = None
    id_reuse_policy: Literal["allow_duplicate", "allow_duplicate_failed_only", "reject_duplicate"] = "allow_duplicate"
    id_conflict_policy: Literal["fail", "use_existing"] = "fail"
    search_attributes: dict[str, Value] | None = None
    summary: str | None = None
    start_delay: Seconds | None = None
    priority: int | PriorityOptions | None = None

    def __post_init__(self) -> None:
        if not (self.start_to_close_timeout or self.schedule_to_close_timeout):
            raise BuiltinError("missing option 'start_to_close_timeout' (or 'schedule_to_close_timeout')")


@dataclass(kw_only=True)
class ActivityRunOptions(CallOptions):
    """Which activity.

    Attributes:
        activity_id: The activity.
        run_id: One run of it; the latest when left out.
    """

    activity_id: Name
    run_id: Name | None = None


@dataclass(kw_only=True)
class ActivityResultOptions(ActivityRunOptions):
    """Whose result to wait for.

    Attributes:
        timeout: Seconds to wait; without it as long as it takes.
    """

    timeout: Seconds | None = None


@dataclass(kw_only=True)
class ActivityEndOptions(ActivityRunOptions):
    """Which activity to end.

    Attributes:
        reason: Why.
    """

    reason: str | None = None


@dataclass
class StartedActivity:
    """What was started.

    Attributes:
        activity_id: Its id.
        run_id: The id of its run.
    """

    activity_id: str
    run_id: str | None


@dataclass
class ActivityDescription:
    """What the server knows of an activity without a workflow. Times are seconds since 1970-01-01 UTC.

    Attributes:
        activity_id: The activity.
        run_id: The run.
        activity_type: The name that the worker registered.
        task_queue: Where its worker looks for it.
        status: RUNNING, COMPLETED, FAILED, CANCELED, TERMINATED, TIMED_OUT or PAUSED.
        schedule_time: When it was started.
        close_time: When it ended; absent while it runs.
        search_attributes: Values by name.
        attempt: The attempt, from 1; not in a list.
    """

    activity_id: str
    run_id: str | None
    activity_type: str
    task_queue: str
    status: str
    schedule_time: float | None
    close_time: float | None
    search_attributes: dict[str, Value]
    attempt: int | None = None


def _row(found: ActivityExecution) -> ActivityDescription:
    return ActivityDescription(
        activity_id=found.activity_id,
        run_id=found.activity_run_id,
        activity_type=found.activity_type,
        task_queue=found.task_queue,
        status=found.status.name,
        schedule_time=timestamp(found.schedule_time),
        close_time=timestamp(found.close_time),
        search_attributes=search_attributes.as_table(found.typed_search_attributes),
    )


class StandaloneActivityMethods(Session):
    """The client's methods for activities without a workflow."""

    async def _start(self, options: ActivityStartOptions) -> ActivityHandle[RawValue]:
        found: dict[str, Any] = {}
        if options.search_attributes:
            found["search_attributes"] = await self.search_attributes.typed(options.search_attributes)
        return await self.sdk.start_activity(
            options.activity_type,
            args=values.arguments(options),
            id=options.activity_id or str(uuid.uuid4()),
            task_queue=options.task_queue,
            result_type=RawValue,
            schedule_to_close_timeout=seconds(options.schedule_to_close_timeout),
            schedule_to_start_timeout=seconds(options.schedule_to_start_timeout),
            start_to_close_timeout=seconds(options.start_to_close_timeout),
            heartbeat_timeout=seconds(options.heartbeat_timeout),
            id_reuse_policy=ActivityIDReusePolicy[options.id_reuse_policy.upper()],
            id_conflict_policy=ActivityIDConflictPolicy[options.id_conflict_policy.upper()],
            retry_policy=options.retry_policy.to_sdk() if options.retry_policy else None,
            summary=options.summary,
            start_delay=seconds(options.start_delay),
            priority=priority(options.priority),
            **found,
            **options.rpc(),
        )

    def _activity(self, options: ActivityRunOptions) -> ActivityHandle[Any]:
        return self.sdk.get_activity_handle(options.activity_id, run_id=options.run_id, result_type=RawValue)

    @method
    async def start_activity(self, options: ActivityStartOptions) -> StartedActivity:
        """Start an activity without a workflow.

        Args:
            options: What to start.
        """
        handle = await answer("client:start_activity", self._start(options))
        return StartedActivity(handle.id, handle.run_id)

    @method
    async def execute_activity(self, options: ActivityStartOptions) -> Json:
        """Start an activity without a workflow and wait for its end; returns its result, or raises its failure.

        Args:
            options: What to start.
        """

        async def execute() -> RawValue:
            handle = await self._start(options)
            return await handle.result()

        return values.result(await answer("client:execute_activity", execute()))

    @method
    async def get_activity_result(self, options: ActivityResultOptions) -> Json:
        """Wait until an activity without a workflow has ended; returns its result, or raises its failure.

        Args:
            options: Whose result to wait for.
        """
        result: Awaitable[RawValue] = self._activity(options).result(**options.rpc())
        what = f"activity '{options.activity_id}'"
        return values.result(await ended("client:get_activity_result", what, result, options.timeout))

    @method
    async def describe_activity(self, target: Name | ActivityRunOptions) -> ActivityDescription:
        """Tell what the server knows of an activity without a workflow.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, ActivityRunOptions) else ActivityRunOptions(activity_id=target)
        found = await answer("client:describe_activity", self._activity(where).describe(**where.rpc()))
        row = _row(found)
        row.attempt = found.attempt
        return row

    @method
    async def cancel_activity(self, target: Name | ActivityEndOptions) -> None:
        """Ask an activity without a workflow to cancel.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, ActivityEndOptions) else ActivityEndOptions(activity_id=target)
        call = self._activity(where).cancel(reason=where.reason, **where.rpc())
        await answer("client:cancel_activity", call)

    @method
    async def terminate_activity(self, target: Name | ActivityEndOptions) -> None:
        """End an activity without a workflow at once, without asking it.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, ActivityEndOptions) else ActivityEndOptions(activity_id=target)
        call = self._activity(where).terminate(reason=where.reason, **where.rpc())
        await answer("client:terminate_activity", call)

    @method
    async def list_activities(self, options: ListOptions | None = None) -> list[ActivityDescription]:
        """List activities without a workflow as an array. The list lags behind by up to a second or so.

        Args:
            options: Which activities to list: `query` is a filter such as `ActivityType = "mail"`.
        """
        given = options or ListOptions()

        async def rows() -> list[ActivityDescription]:
            found = self.sdk.list_activities(
                given.query or "", limit=given.limit, page_size=given.page_size, **given.rpc()
            )
            return [_row(activity) async for activity in found]

        return await answer("client:list_activities", rows())
