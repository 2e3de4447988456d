"""Schedules: workflows that the server starts again and again."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from temporalio.service import RPCError

from assay.errors import ErrorObject
from assay.lua.declare import method
from assay.lua.values import Name, Value
from assay.temporal.client import schedule_spec, values
from assay.temporal.client.schedule_info import ScheduleInfo, ScheduleRow, info, row
from assay.temporal.client.schedule_options import (
    ActionOptions,
    BackfillOptions,
    CreateScheduleOptions,
    NoteOptions,
    Overlap,
    Period,
    ScheduleTarget,
    TriggerOptions,
    UpdateScheduleOptions,
)
from assay.temporal.client.session import Session, answer
from assay.temporal.client.start import common_arguments
from assay.temporal.client.visibility import ListOptions
from assay.temporal.data import times
from assay.temporal.data.options import seconds

if TYPE_CHECKING:
    from temporalio.client import (
        Schedule,
        ScheduleActionStartWorkflow,
        ScheduleBackfill,
        ScheduleHandle,
        ScheduleOverlapPolicy,
        ScheduleUpdate,
        ScheduleUpdateInput,
    )

T = TypeVar("T")

_GONE = ("schedule not found", "workflow execution already completed")
"""How the server says that a schedule is not there any more."""


def _overlap(overlap: Overlap | None) -> ScheduleOverlapPolicy | None:
    from temporalio.client import ScheduleOverlapPolicy

    return None if overlap is None else ScheduleOverlapPolicy[overlap.upper()]


def _period(period: Period) -> ScheduleBackfill:
    from temporalio.client import ScheduleBackfill

    return ScheduleBackfill(
        start_at=times.option(period.start_at, "start_at"),
        end_at=times.option(period.end_at, "end_at"),
        overlap=_overlap(period.overlap),
    )


class Schedules:
    """Workflows that the server starts again and again. It is the field `schedules` of a client."""

    lua_name: ClassVar[str] = "temporal.Schedules"
    lua_prefix: ClassVar[str] = "client.schedules"

    def __init__(self, session: Session) -> None:
        self._session = session

    def _handle(self, target: ScheduleTarget) -> ScheduleHandle:
        return self._session.sdk.get_schedule_handle(target.id)

    async def _take(self, name: str, target: ScheduleTarget, change: Awaitable[None]) -> None:
        """Change a schedule and wait until the server has taken the change.

        Of the changes that reach it at one time, it keeps the last: a trigger would undo a pause right before it.
        """

        async def call() -> None:
            await change
            with suppress(RPCError):
                await self._handle(target).describe(**target.rpc())

        await self._answer(name, target, call())

    async def _answer(self, name: str, target: ScheduleTarget, call: Awaitable[T]) -> T:
        """Await a call about a schedule; the error for one that does not exist names its id."""
        try:
            return await answer(name, call)
        except ErrorObject as error:
            if error.fields["kind"] != "not_found" or not str(error).endswith(_GONE):
                raise
            raise ErrorObject(**error.fields | {"message": f"{name}: there is no schedule {target.id}"}) from error

    async def _attributes(self, given: dict[str, Value] | None) -> Any:
        return None if given is None else await self._session.search_attributes.typed(given)

    async def _action(self, options: ActionOptions, schedule: str) -> ScheduleActionStartWorkflow:
        from temporalio.client import ScheduleActionStartWorkflow

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

        from temporalio.client import Schedule, SchedulePolicy, ScheduleState

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
                backfill=[_period(period) for period in options.backfill or ()],
                memo=values.memo(options.memo),
                search_attributes=await self._attributes(options.search_attributes),
                **options.rpc(),
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
            return await info(await self._handle(where).describe(**where.rpc()))

        return await self._answer("client.schedules:get", where, describe())

    @method
    async def list(self, options: ListOptions | None = None) -> list[ScheduleRow]:
        """List schedules as an array.

        Args:
            options: Which schedules to list.
        """
        given = options or ListOptions()

        async def rows() -> list[ScheduleRow]:
            found = await self._session.sdk.list_schedules(given.query, page_size=given.page_size, **given.rpc())
            listed: list[ScheduleRow] = []
            async for schedule in found:
                listed.append(await row(schedule))
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
        from temporalio.client import ScheduleUpdate

        async def change(found: ScheduleUpdateInput) -> ScheduleUpdate:
            await self._change(found.description.schedule, options)
            return ScheduleUpdate(found.description.schedule, await self._attributes(options.search_attributes))

        call = self._handle(options).update(change, **options.rpc())
        await self._take("client.schedules:update", options, call)

    @method
    async def pause(self, target: Name | NoteOptions) -> None:
        """Pause a schedule: it acts no more until it is unpaused, except when it is triggered.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, NoteOptions) else NoteOptions(id=target)
        note = where.note or "paused by a client"
        call = self._handle(where).pause(note=note, **where.rpc())
        await self._take("client.schedules:pause", where, call)

    @method
    async def unpause(self, target: Name | NoteOptions) -> None:
        """Let a paused schedule act again.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, NoteOptions) else NoteOptions(id=target)
        note = where.note or "unpaused by a client"
        call = self._handle(where).unpause(note=note, **where.rpc())
        await self._take("client.schedules:unpause", where, call)

    @method
    async def trigger(self, target: Name | TriggerOptions) -> None:
        """Let a schedule act now.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, TriggerOptions) else TriggerOptions(id=target)
        call = self._handle(where).trigger(overlap=_overlap(where.overlap), **where.rpc())
        await self._take("client.schedules:trigger", where, call)

    @method
    async def backfill(self, options: BackfillOptions) -> None:
        """Let a schedule act for every time in the past at which it would have acted.

        Args:
            options: Which schedule, and from when to when.
        """
        call = self._handle(options).backfill(_period(options), **options.rpc())
        await self._take("client.schedules:backfill", options, call)

    @method
    async def delete(self, target: Name | ScheduleTarget) -> None:
        """Delete a schedule; the workflows that it started run on.

        Args:
            target: Its id, or a table.
        """
        where = target if isinstance(target, ScheduleTarget) else ScheduleTarget(id=target)
        call = self._handle(where).delete(**where.rpc())
        await self._answer("client.schedules:delete", where, call)
