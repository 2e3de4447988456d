"""Schedules: workflows that the server starts again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal

from temporalio.client import (
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionResult,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleListActionStartWorkflow,
    ScheduleListDescription,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from assay.errors import BuiltinError
from assay.lua.declare import method
from assay.lua.values import Name, Seconds, Value
from assay.temporal.client import schedule_spec, search_attributes, values
from assay.temporal.client.schedule_spec import SpecOptions
from assay.temporal.client.session import CallOptions, Session, answer
from assay.temporal.client.start import WorkflowOptions, common_arguments
from assay.temporal.client.values import moment, timestamp, timestamps
from assay.temporal.client.visibility import ListOptions
from assay.temporal.options import RetryPolicyOptions, seconds

Overlap = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"]


@dataclass(kw_only=True)
class ActionOptions(WorkflowOptions):
    """The workflow that a schedule starts.

    Attributes:
        workflow_id: Its id, the schedule's when left out; the server appends the time.
    """


@dataclass(kw_only=True)
class ScheduleTarget(CallOptions):
    """Which schedule.

    Attributes:
        id: The schedule.
    """

    id: Name


@dataclass(kw_only=True)
class NoteOptions(ScheduleTarget):
    """Which schedule, and why.

    Attributes:
        note: Why.
    """

    note: str | None = None


@dataclass(kw_only=True)
class TriggerOptions(ScheduleTarget):
    """Which schedule is to act now.

    Attributes:
        overlap: What happens when its workflow is running; by the schedule's own policy when left out.
    """

    overlap: Overlap | None = None


@dataclass(kw_only=True)
class BackfillOptions(TriggerOptions):
    """The time that a schedule makes up for.

    Attributes:
        start_at: Its beginning: seconds since 1970-01-01 UTC, or an ISO 8601 time.
        end_at: Its end.
    """

    start_at: float | str
    end_at: float | str


@dataclass(kw_only=True)
class UpdateScheduleOptions(ScheduleTarget):
    """What to change in a schedule; what is left out stays as it is.

    Attributes:
        spec: When it acts.
        action: The workflow that it starts.
        overlap: What happens when the workflow of the time before is still running: nothing ("skip"), the next waits
            ("buffer_one", "buffer_all"), the running one is ended ("cancel_other", "terminate_other"), both run
            ("allow_all").
        catchup_window: Seconds that it may be late after the server was down; a year when left out.
        pause_on_failure: Pause it when a workflow fails or times out.
        paused: Whether it is paused.
        note: A text for people.
        limited_actions: How often it still acts; 0 for no limit.
        search_attributes: Values by name that queries for schedules can search.
    """

    spec: SpecOptions | None = None
    action: ActionOptions | None = None
    overlap: Overlap | None = None
    catchup_window: Seconds | None = None
    pause_on_failure: bool | None = None
    paused: bool | None = None
    note: str | None = None
    limited_actions: int | None = None
    search_attributes: dict[str, Value] | None = None

    def __post_init__(self) -> None:
        if self.limited_actions is not None and self.limited_actions < 0:
            got = self.limited_actions
            raise BuiltinError(f"bad option 'limited_actions' (a whole number from 0 up expected, got {got})")


@dataclass(kw_only=True)
class CreateScheduleOptions(UpdateScheduleOptions):
    """A new schedule.

    Attributes:
        overlap: What happens when the workflow of the time before is still running: nothing ("skip", the default), the
            next waits ("buffer_one", "buffer_all"), the running one is ended ("cancel_other", "terminate_other"), both
            run ("allow_all").
        trigger_immediately: Act once now.
        memo: Values by name that lists and descriptions show.
    """

    spec: SpecOptions
    action: ActionOptions
    trigger_immediately: bool = False
    memo: dict[str, Value] | None = None


@dataclass(kw_only=True)
class Action:
    """The workflow that a schedule starts.

    Attributes:
        workflow_type: The name that the worker registered.
        workflow_id: Its id; the server appends the time.
        task_queue: Where its worker looks for it.
        args: The values that it gets.
        execution_timeout: Seconds that it may take with its retries and continuations.
        run_timeout: Seconds that one run may take.
        task_timeout: Seconds that one workflow task may take.
        retry_policy: When it is tried again.
        memo: Its memo.
        search_attributes: Its search attributes.
    """

    workflow_type: str
    workflow_id: str
    task_queue: str
    args: list[Value]
    execution_timeout: float | None
    run_timeout: float | None
    task_timeout: float | None
    retry_policy: RetryPolicyOptions | None
    memo: dict[str, Value] | None
    search_attributes: dict[str, Value] | None


@dataclass(kw_only=True)
class RecentAction:
    """What a schedule did. Times are seconds since 1970-01-01 UTC.

    Attributes:
        scheduled_at: When it was due.
        started_at: When it was done.
        workflow_id: The workflow that it started.
        run_id: Its first run.
    """

    scheduled_at: float
    started_at: float
    workflow_id: str
    run_id: str


@dataclass(kw_only=True)
class RunningAction:
    """A workflow that a schedule started.

    Attributes:
        workflow_id: The workflow.
        run_id: Its first run.
    """

    workflow_id: str
    run_id: str


@dataclass(kw_only=True)
class ScheduleRow:
    """A schedule in a list. Times are seconds since 1970-01-01 UTC.

    Attributes:
        id: The schedule.
        workflow_type: The workflow that it starts.
        paused: Whether it is paused.
        note: Its text for people.
        spec: When it acts.
        recent_actions: What it did last, oldest first.
        next_action_times: When it acts next.
        memo: Its memo.
        search_attributes: Its search attributes.
    """

    id: str
    workflow_type: str | None
    paused: bool
    note: str | None
    spec: SpecOptions | None
    recent_actions: list[RecentAction]
    next_action_times: list[float]
    memo: dict[str, Value]
    search_attributes: dict[str, Value]


@dataclass(kw_only=True)
class ScheduleInfo(ScheduleRow):
    """What the server knows of a schedule. Times are seconds since 1970-01-01 UTC.

    Attributes:
        action: The workflow that it starts.
        overlap: What happens when the workflow of the time before is still running.
        catchup_window: Seconds that it may be late after the server was down.
        pause_on_failure: Whether it is paused when a workflow fails or times out.
        limited_actions: How often it still acts; absent when there is no limit.
        running: Its workflows that run now.
        num_actions: How often it has acted.
        num_actions_missed: How often it was too late to act.
        num_actions_skipped: How often it did not act because its workflow was running.
        created_at: When it was made.
        updated_at: When it was changed last.
    """

    action: Action
    overlap: str
    catchup_window: float | None
    pause_on_failure: bool
    limited_actions: int | None
    running: list[RunningAction]
    num_actions: int
    num_actions_missed: int
    num_actions_skipped: int
    created_at: float
    updated_at: float | None


def _overlap(overlap: Overlap | None) -> ScheduleOverlapPolicy | None:
    return None if overlap is None else ScheduleOverlapPolicy[overlap.upper()]


def _total(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


def _recent(results: Sequence[ScheduleActionResult]) -> list[RecentAction]:
    found = []
    for result in results:
        assert isinstance(result.action, ScheduleActionExecutionStartWorkflow)
        found.append(
            RecentAction(
                scheduled_at=result.scheduled_at.timestamp(),
                started_at=result.started_at.timestamp(),
                workflow_id=result.action.workflow_id,
                run_id=result.action.first_execution_run_id,
            )
        )
    return found


class Schedules:
    """Workflows that the server starts again and again. It is the field `schedules` of a client."""

    lua_name: ClassVar[str] = "temporal.Schedules"
    lua_prefix: ClassVar[str] = "client.schedules"

    def __init__(self, session: Session) -> None:
        self._session = session

    def _handle(self, target: ScheduleTarget) -> ScheduleHandle:
        return self._session.sdk.get_schedule_handle(target.id)

    async def _attributes(self, given: dict[str, Value] | None) -> Any:
        return None if given is None else await self._session.search_attributes.typed(given)

    async def _action(self, options: ActionOptions, schedule: str) -> ScheduleActionStartWorkflow:
        arguments = common_arguments(options)
        if options.search_attributes:
            arguments["typed_search_attributes"] = await self._attributes(options.search_attributes)
        return ScheduleActionStartWorkflow(options.workflow_type, id=options.workflow_id or schedule, **arguments)

    async def _change(self, schedule: Schedule, options: UpdateScheduleOptions) -> None:
        """Put what the options name into a schedule."""
        if options.spec is not None:
            schedule.spec = schedule_spec.to_sdk(options.spec)
        if options.action is not None:
            schedule.action = await self._action(options.action, options.id)
        policy, state = schedule.policy, schedule.state
        policy.overlap = _overlap(options.overlap) or policy.overlap
        if options.catchup_window is not None:
            policy.catchup_window = seconds(options.catchup_window)
        if options.pause_on_failure is not None:
            policy.pause_on_failure = options.pause_on_failure
        if options.paused is not None:
            state.paused = options.paused
        if options.note is not None:
            state.note = options.note
        if options.limited_actions is not None:
            state.limited_actions = options.limited_actions > 0
            state.remaining_actions = options.limited_actions

    @method
    async def create(self, options: CreateScheduleOptions) -> None:
        """Make a schedule. An id that is taken is an error of kind "already_started".

        Args:
            options: The schedule.
        """
        sdk = self._session.sdk

        async def create() -> None:
            schedule = Schedule(
                action=await self._action(options.action, options.id),
                spec=schedule_spec.to_sdk(options.spec),
                policy=SchedulePolicy(),
                state=ScheduleState(),
            )
            options.action = None  # type: ignore[assignment]  # both are there already
            await self._change(schedule, options)
            await sdk.create_schedule(
                options.id,
                schedule,
                trigger_immediately=options.trigger_immediately,
                memo=values.memo(options.memo),
                search_attributes=await self._attributes(options.search_attributes),
                rpc_timeout=seconds(options.rpc_timeout),
            )

        await answer("client.schedules:create", create())

    @method
    async def get(self, target: Name | ScheduleTarget) -> ScheduleInfo:
        """Tell what the server knows of a schedule.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, ScheduleTarget) else ScheduleTarget(id=target)

        async def describe() -> ScheduleInfo:
            return await self._info(await self._handle(where).describe(rpc_timeout=seconds(where.rpc_timeout)))

        return await answer("client.schedules:get", describe())

    async def _info(self, found: ScheduleDescription) -> ScheduleInfo:
        schedule, info = found.schedule, found.info
        action = schedule.action
        assert isinstance(action, ScheduleActionStartWorkflow)
        return ScheduleInfo(
            id=found.id,
            workflow_type=action.workflow,
            paused=schedule.state.paused,
            note=schedule.state.note,
            spec=schedule_spec.from_sdk(schedule.spec),
            action=await self._decoded(action),
            overlap=schedule.policy.overlap.name.lower(),
            catchup_window=_total(schedule.policy.catchup_window),
            pause_on_failure=schedule.policy.pause_on_failure,
            limited_actions=schedule.state.remaining_actions if schedule.state.limited_actions else None,
            running=[
                RunningAction(workflow_id=item.workflow_id, run_id=item.first_execution_run_id)
                for item in info.running_actions
                if isinstance(item, ScheduleActionExecutionStartWorkflow)
            ],
            recent_actions=_recent(info.recent_actions),
            next_action_times=timestamps(info.next_action_times),
            num_actions=info.num_actions,
            num_actions_missed=info.num_actions_missed_catchup_window,
            num_actions_skipped=info.num_actions_skipped_overlap,
            created_at=info.created_at.timestamp(),
            updated_at=timestamp(info.last_updated_at),
            memo=values.plain_table(await found.memo()),
            search_attributes=search_attributes.plain(found.typed_search_attributes),
        )

    async def _decoded(self, action: ScheduleActionStartWorkflow) -> Action:
        """The action as the server has it: its values are payloads."""
        converter = self._session.sdk.data_converter
        memo = action.memo or {}
        decoded = await converter.decode([*action.args, *memo.values()])
        count = len(action.args)
        return Action(
            workflow_type=action.workflow,
            workflow_id=action.id,
            task_queue=action.task_queue,
            args=[values.plain(value) for value in decoded[:count]],
            execution_timeout=_total(action.execution_timeout),
            run_timeout=_total(action.run_timeout),
            task_timeout=_total(action.task_timeout),
            retry_policy=None if action.retry_policy is None else RetryPolicyOptions.from_sdk(action.retry_policy),
            memo={name: values.plain(value) for name, value in zip(memo, decoded[count:], strict=True)} or None,
            search_attributes=search_attributes.plain(action.typed_search_attributes) or None,
        )

    @method
    async def list(self, options: ListOptions | None = None) -> list[ScheduleRow]:
        """List schedules as an array.

        Args:
            options: Which schedules to list.
        """
        given = options or ListOptions()

        async def rows() -> list[ScheduleRow]:
            found = await self._session.sdk.list_schedules(
                given.query, page_size=given.page_size, rpc_timeout=seconds(given.rpc_timeout)
            )
            listed: list[ScheduleRow] = []
            async for schedule in found:
                listed.append(await _row(schedule))
                if len(listed) == given.limit:
                    break
            return listed

        return await answer("client.schedules:list", rows())

    @method
    async def update(self, options: UpdateScheduleOptions) -> None:
        """Change a schedule. What is left out stays as it is; `spec` and `action` are replaced as a whole.

        Args:
            options: What to change.
        """

        async def change(found: ScheduleUpdateInput) -> ScheduleUpdate:
            await self._change(found.description.schedule, options)
            return ScheduleUpdate(found.description.schedule, await self._attributes(options.search_attributes))

        call = self._handle(options).update(change, rpc_timeout=seconds(options.rpc_timeout))
        await answer("client.schedules:update", call)

    @method
    async def pause(self, target: Name | NoteOptions) -> None:
        """Pause a schedule: it acts no more until it is unpaused, except when it is triggered.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, NoteOptions) else NoteOptions(id=target)
        note = where.note or "paused by a client"
        call = self._handle(where).pause(note=note, rpc_timeout=seconds(where.rpc_timeout))
        await answer("client.schedules:pause", call)

    @method
    async def unpause(self, target: Name | NoteOptions) -> None:
        """Let a paused schedule act again.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, NoteOptions) else NoteOptions(id=target)
        note = where.note or "unpaused by a client"
        call = self._handle(where).unpause(note=note, rpc_timeout=seconds(where.rpc_timeout))
        await answer("client.schedules:unpause", call)

    @method
    async def trigger(self, target: Name | TriggerOptions) -> None:
        """Let a schedule act now.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, TriggerOptions) else TriggerOptions(id=target)
        call = self._handle(where).trigger(overlap=_overlap(where.overlap), rpc_timeout=seconds(where.rpc_timeout))
        await answer("client.schedules:trigger", call)

    @method
    async def backfill(self, options: BackfillOptions) -> None:
        """Let a schedule act for every time in the past at which it would have acted.

        Args:
            options: Which schedule, and from when to when.
        """
        period = ScheduleBackfill(
            start_at=moment(options.start_at, "option 'start_at'"),
            end_at=moment(options.end_at, "option 'end_at'"),
            overlap=_overlap(options.overlap),
        )
        call = self._handle(options).backfill(period, rpc_timeout=seconds(options.rpc_timeout))
        await answer("client.schedules:backfill", call)

    @method
    async def delete(self, target: Name | ScheduleTarget) -> None:
        """Delete a schedule; the workflows that it started run on.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, ScheduleTarget) else ScheduleTarget(id=target)
        call = self._handle(where).delete(rpc_timeout=seconds(where.rpc_timeout))
        await answer("client.schedules:delete", call)


async def _row(found: ScheduleListDescription) -> ScheduleRow:
    schedule, info = found.schedule, found.info
    action = schedule.action if schedule is not None else None
    return ScheduleRow(
        id=found.id,
        workflow_type=action.workflow if isinstance(action, ScheduleListActionStartWorkflow) else None,
        paused=schedule.state.paused if schedule is not None else False,
        note=schedule.state.note if schedule is not None else None,
        spec=schedule_spec.from_sdk(schedule.spec) if schedule is not None else None,
        recent_actions=_recent(info.recent_actions) if info is not None else [],
        next_action_times=timestamps(info.next_action_times) if info is not None else [],
        memo=values.plain_table(await found.memo()),
        search_attributes=search_attributes.plain(found.typed_search_attributes),
    )
