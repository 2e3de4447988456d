"""`client.schedules`: workflows that the server starts on a schedule."""

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
from assay.temporal.client.session import Session, call_server
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

_NOT_FOUND = ("schedule not found", "workflow execution already completed")
"""Ends of the server's messages for a schedule that does not exist or was deleted."""


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
    """Workflows that the server starts on a schedule; the field `schedules` of a client."""

    lua_name: ClassVar[str] = "temporal.Schedules"
    lua_prefix: ClassVar[str] = "client.schedules"

    def __init__(self, session: Session) -> None:
        self._session = session

    def _handle(self, target: ScheduleTarget) -> ScheduleHandle:
        return self._session.sdk.get_schedule_handle(target.id)

    async def _apply(self, name: str, target: ScheduleTarget, change: Awaitable[None]) -> None:
        """Change a schedule and wait until the change has taken effect.

        The server keeps only the last of concurrent changes: a trigger would undo a pause right before it.
        """

        async def call() -> None:
            await change
            with suppress(RPCError):
                await self._handle(target).describe(**target.rpc())

        await self._call(name, target, call())

    async def _call(self, name: str, target: ScheduleTarget, call: Awaitable[T]) -> T:
        """Await a call; name the schedule's id in the error for a schedule that does not exist."""
        try:
            return await call_server(name, call)
        except ErrorObject as error:
            if error.fields["kind"] != "not_found" or not str(error).endswith(_NOT_FOUND):
                raise
            raise ErrorObject(**error.fields | {"message": f"{name}: there is no schedule {target.id}"}) from error

    async def _attributes(self, values: dict[str, Value] | None) -> Any:
        return None if values is None else await self._session.search_attributes.typed(values)

    async def _action(self, options: ActionOptions, schedule: str) -> ScheduleActionStartWorkflow:
        from temporalio.client import ScheduleActionStartWorkflow

        arguments = common_arguments(options)
        if options.search_attributes:
            arguments["typed_search_attributes"] = await self._attributes(options.search_attributes)
        return ScheduleActionStartWorkflow(options.workflow_type, id=options.workflow_id or schedule, **arguments)

    async def _change(self, schedule: Schedule, options: UpdateScheduleOptions) -> None:
        """Apply the given options to a schedule."""
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
        """Create a schedule. Raises an error of kind "already_started" if the id is in use.

        Args:
            options: Schedule to create.
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
            options.action = None  # type: ignore[assignment]  # already applied, like `spec`
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

        await call_server("client.schedules:create", create())

    @method
    async def get(self, target: Name | ScheduleTarget) -> ScheduleInfo:
        """Describe a schedule.

        Args:
            target: Schedule id, or a table of options.
        """
        options = target if isinstance(target, ScheduleTarget) else ScheduleTarget(id=target)

        async def describe() -> ScheduleInfo:
            return await info(await self._handle(options).describe(**options.rpc()))

        return await self._call("client.schedules:get", options, describe())

    @method
    async def list(self, options: ListOptions | None = None) -> list[ScheduleRow]:
        """List schedules as an array.

        Args:
            options: Filter and limits.
        """
        filters = options or ListOptions()

        async def rows() -> list[ScheduleRow]:
            schedules = await self._session.sdk.list_schedules(
                filters.query, page_size=filters.page_size, **filters.rpc()
            )
            listed: list[ScheduleRow] = []
            async for schedule in schedules:
                listed.append(await row(schedule))
                if len(listed) == filters.limit:
                    break
            return listed

        return await call_server("client.schedules:list", rows())

    @method
    async def update(self, options: UpdateScheduleOptions) -> None:
        """Update a schedule. Omitted options keep their values; `spec` and `action` are replaced as a whole.

        Args:
            options: Schedule and changes.
        """
        from temporalio.client import ScheduleUpdate

        async def change(current: ScheduleUpdateInput) -> ScheduleUpdate:
            await self._change(current.description.schedule, options)
            return ScheduleUpdate(current.description.schedule, await self._attributes(options.search_attributes))

        call = self._handle(options).update(change, **options.rpc())
        await self._apply("client.schedules:update", options, call)

    @method
    async def pause(self, target: Name | NoteOptions) -> None:
        """Pause a schedule. Until it is unpaused it acts only when triggered.

        Args:
            target: Schedule id, or a table of options.
        """
        options = target if isinstance(target, NoteOptions) else NoteOptions(id=target)
        note = options.note or "paused by a client"
        call = self._handle(options).pause(note=note, **options.rpc())
        await self._apply("client.schedules:pause", options, call)

    @method
    async def unpause(self, target: Name | NoteOptions) -> None:
        """Unpause a schedule.

        Args:
            target: Schedule id, or a table of options.
        """
        options = target if isinstance(target, NoteOptions) else NoteOptions(id=target)
        note = options.note or "unpaused by a client"
        call = self._handle(options).unpause(note=note, **options.rpc())
        await self._apply("client.schedules:unpause", options, call)

    @method
    async def trigger(self, target: Name | TriggerOptions) -> None:
        """Trigger an action of a schedule immediately.

        Args:
            target: Schedule id, or a table of options.
        """
        options = target if isinstance(target, TriggerOptions) else TriggerOptions(id=target)
        call = self._handle(options).trigger(overlap=_overlap(options.overlap), **options.rpc())
        await self._apply("client.schedules:trigger", options, call)

    @method
    async def backfill(self, options: BackfillOptions) -> None:
        """Execute the actions that a schedule would have taken in a past period.

        Args:
            options: Schedule and period.
        """
        call = self._handle(options).backfill(_period(options), **options.rpc())
        await self._apply("client.schedules:backfill", options, call)

    @method
    async def delete(self, target: Name | ScheduleTarget) -> None:
        """Delete a schedule; the workflows that it started continue.

        Args:
            target: Schedule id, or a table of options.
        """
        options = target if isinstance(target, ScheduleTarget) else ScheduleTarget(id=target)
        call = self._handle(options).delete(**options.rpc())
        await self._call("client.schedules:delete", options, call)
