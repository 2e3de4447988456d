"""Client methods for standalone activities: activities that run, and are retried, without a workflow."""

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
from assay.temporal.client.session import CallOptions, Session, await_completion, call_server
from assay.temporal.client.values import InputOptions
from assay.temporal.client.visibility import ListOptions
from assay.temporal.data import search_attributes
from assay.temporal.data.options import PriorityOptions, RetryPolicyOptions, priority, seconds
from assay.temporal.data.times import timestamp

if TYPE_CHECKING:
    from temporalio.client import ActivityExecution, ActivityHandle


@dataclass(kw_only=True)
class ActivityStartOptions(InputOptions, CallOptions):
    """Options of `client:start_activity`. `start_to_close_timeout` or `schedule_to_close_timeout` is required.

    Attributes:
        task_queue: Task queue of the activity's workers.
        activity_type: Activity type, as registered by the worker.
        activity_id: Activity id; a random UUID if omitted.
        start_to_close_timeout: Timeout of one attempt, in seconds.
        schedule_to_close_timeout: Timeout of all attempts together, in seconds, including the time in the task queue.
        schedule_to_start_timeout: Maximum time in the task queue, in seconds.
        heartbeat_timeout: Maximum time between two heartbeats, in seconds.
        retry_policy: Retry policy of the activity.
        id_reuse_policy: Reuse of the id of a closed activity.
        id_conflict_policy: Behavior when an activity with this id is running: "fail" raises an error of kind
            "already_started", "use_existing" returns the running activity.
        search_attributes: Indexed values by name.
        summary: Summary for the Web UI.
        start_delay: Delay of the first attempt, in seconds.
        priority: Task priority: a table, or only its `priority_key`.
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
    """A standalone activity, or one of its runs.

    Attributes:
        activity_id: Activity id.
        run_id: Run id; the latest run if omitted.
    """

    activity_id: Name
    run_id: Name | None = None


@dataclass(kw_only=True)
class ActivityResultOptions(ActivityRunOptions):
    """Options of `client:get_activity_result`.

    Attributes:
        timeout: Maximum time to wait, in seconds; no limit if omitted.
    """

    timeout: Seconds | None = None


@dataclass(kw_only=True)
class ActivityEndOptions(ActivityRunOptions):
    """Options of `client:cancel_activity` and `client:terminate_activity`.

    Attributes:
        reason: Reason of the request.
    """

    reason: str | None = None


@dataclass
class StartedActivity:
    """A started activity.

    Attributes:
        activity_id: Activity id.
        run_id: Run id.
    """

    activity_id: str
    run_id: str | None


@dataclass
class ActivityDescription:
    """Description of a standalone activity. Times are seconds since 1970-01-01 UTC.

    Attributes:
        activity_id: Activity id.
        run_id: Run id.
        activity_type: Activity type, as registered by the worker.
        task_queue: Task queue of the activity's workers.
        status: RUNNING, COMPLETED, FAILED, CANCELED, TERMINATED, TIMED_OUT or PAUSED.
        schedule_time: Time of the start.
        close_time: Time of the end; absent while the activity is running.
        search_attributes: Indexed values by name.
        attempt: Number of the current attempt, from 1; absent in lists.
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


def _row(execution: ActivityExecution) -> ActivityDescription:
    return ActivityDescription(
        activity_id=execution.activity_id,
        run_id=execution.activity_run_id,
        activity_type=execution.activity_type,
        task_queue=execution.task_queue,
        status=execution.status.name,
        schedule_time=timestamp(execution.schedule_time),
        close_time=timestamp(execution.close_time),
        search_attributes=search_attributes.as_table(execution.typed_search_attributes),
    )


class StandaloneActivityMethods(Session):
    """Client methods for standalone activities."""

    async def _start(self, options: ActivityStartOptions) -> ActivityHandle[RawValue]:
        attributes: dict[str, Any] = {}
        if options.search_attributes:
            attributes["search_attributes"] = await self.search_attributes.typed(options.search_attributes)
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
            **attributes,
            **options.rpc(),
        )

    def _activity(self, options: ActivityRunOptions) -> ActivityHandle[Any]:
        return self.sdk.get_activity_handle(options.activity_id, run_id=options.run_id, result_type=RawValue)

    @method
    async def start_activity(self, options: ActivityStartOptions) -> StartedActivity:
        """Start a standalone activity.

        Args:
            options: Activity type, task queue and start options.
        """
        handle = await call_server("client:start_activity", self._start(options))
        return StartedActivity(handle.id, handle.run_id)

    @method
    async def execute_activity(self, options: ActivityStartOptions) -> Json:
        """Start a standalone activity, wait for it to complete and return its result. Raises its failure.

        Args:
            options: Activity type, task queue and start options.
        """

        async def execute() -> RawValue:
            handle = await self._start(options)
            return await handle.result()

        return values.result(await call_server("client:execute_activity", execute()))

    @method
    async def get_activity_result(self, options: ActivityResultOptions) -> Json:
        """Wait for a standalone activity to complete and return its result. Raises its failure.

        Args:
            options: Activity id and wait options.
        """
        result: Awaitable[RawValue] = self._activity(options).result(**options.rpc())
        subject = f"activity '{options.activity_id}'"
        return values.result(await await_completion("client:get_activity_result", subject, result, options.timeout))

    @method
    async def describe_activity(self, target: Name | ActivityRunOptions) -> ActivityDescription:
        """Describe a standalone activity.

        Args:
            target: Activity id, or a table of options.
        """
        options = target if isinstance(target, ActivityRunOptions) else ActivityRunOptions(activity_id=target)
        description = await call_server("client:describe_activity", self._activity(options).describe(**options.rpc()))
        row = _row(description)
        row.attempt = description.attempt
        return row

    @method
    async def cancel_activity(self, target: Name | ActivityEndOptions) -> None:
        """Request cancellation of a standalone activity.

        Args:
            target: Activity id, or a table of options.
        """
        options = target if isinstance(target, ActivityEndOptions) else ActivityEndOptions(activity_id=target)
        call = self._activity(options).cancel(reason=options.reason, **options.rpc())
        await call_server("client:cancel_activity", call)

    @method
    async def terminate_activity(self, target: Name | ActivityEndOptions) -> None:
        """Terminate a standalone activity immediately, without notifying its code.

        Args:
            target: Activity id, or a table of options.
        """
        options = target if isinstance(target, ActivityEndOptions) else ActivityEndOptions(activity_id=target)
        call = self._activity(options).terminate(reason=options.reason, **options.rpc())
        await call_server("client:terminate_activity", call)

    @method
    async def list_activities(self, options: ListOptions | None = None) -> list[ActivityDescription]:
        """List standalone activities as an array. The list is eventually consistent and may lag by about a second.

        Args:
            options: Filter and limits; `query` is a list filter such as `ActivityType = "mail"`.
        """
        filters = options or ListOptions()

        async def rows() -> list[ActivityDescription]:
            executions = self.sdk.list_activities(
                filters.query or "", limit=filters.limit, page_size=filters.page_size, **filters.rpc()
            )
            return [_row(execution) async for execution in executions]

        return await call_server("client:list_activities", rows())
