"""Signals, queries and updates."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from temporalio.common import QueryRejectCondition, RawValue

from assay.lua.declare import method
from assay.lua.values import Json, Name, Value
from assay.temporal.client import values
from assay.temporal.client.session import CallOptions, RunOptions, Session, answer
from assay.temporal.client.values import InputOptions

if TYPE_CHECKING:
    from temporalio.client import (
        WorkflowUpdateHandle,
        WorkflowUpdateStage,
    )


@dataclass(kw_only=True)
class SignalOptions(RunOptions, InputOptions):
    """Which signal to send where.

    Attributes:
        signal_name: The signal.
    """

    signal_name: Name


@dataclass(kw_only=True)
class QueryOptions(RunOptions, InputOptions):
    """What to ask where.

    Attributes:
        query_type: The query.
        reject_condition: Refuse to answer for a workflow that is not running, or that ended other than by completing.
    """

    query_type: Name
    reject_condition: Literal["not_open", "not_completed_cleanly"] | None = None


@dataclass(kw_only=True)
class UpdateOptions(InputOptions):
    """Which update to send.

    Attributes:
        update_name: The update.
        update_id: Its id, a fresh UUID when left out. Sent again with the same id, it is the same update: nothing runs
            twice, and the result is that of the first.
        wait_for: Wait until the update is completed, or only until the workflow has accepted it.
    """

    update_name: Name
    update_id: Name | None = None
    wait_for: Literal["accepted", "completed"] = "completed"


@dataclass(kw_only=True)
class RunUpdateOptions(RunOptions, UpdateOptions):
    """Which update to send where."""


def stage(update: UpdateOptions) -> WorkflowUpdateStage:
    """Return how far an update has to be."""
    from temporalio.client import WorkflowUpdateStage

    return WorkflowUpdateStage[update.wait_for.upper()]


async def outcome(
    title: str, call: Awaitable[WorkflowUpdateHandle[Any]], update: UpdateOptions, options: CallOptions
) -> Value:
    """Return what an update gives: its result, or its ids when it was only to be accepted."""
    from temporalio.client import RPCTimeoutOrCancelledError

    async def wait() -> Value:
        try:
            handle = await call
            if update.wait_for == "accepted":
                return {"update_id": handle.id, "workflow_id": handle.workflow_id, "run_id": handle.workflow_run_id}
            found = await handle.result(**options.rpc())
            return None if found is None else values.plain(found)
        except RPCTimeoutOrCancelledError as error:
            if isinstance(error.__cause__, asyncio.CancelledError):
                raise error.__cause__ from None  # the Lua task was cancelled
            raise

    return await answer(title, wait())


class MessageMethods(Session):
    """The client's methods that talk to a running workflow."""

    @method
    async def signal_workflow(self, options: SignalOptions) -> None:
        """Send a signal to a running workflow.

        Args:
            options: Which signal to send where.
        """
        args = values.arguments(options)
        call = self.handle(options).signal(options.signal_name, args=args, **options.rpc())
        await answer("client:signal_workflow", call)

    @method
    async def query_workflow(self, options: QueryOptions) -> Json:
        """Ask a workflow's query handler; returns what it answers.

        Args:
            options: What to ask where.
        """
        condition = options.reject_condition
        call = self.handle(options).query(
            options.query_type,
            args=values.arguments(options),
            reject_condition=None if condition is None else QueryRejectCondition[condition.upper()],
            result_type=RawValue,
            **options.rpc(),
        )
        return values.result(await answer("client:query_workflow", call))

    @method
    async def update_workflow(self, options: RunUpdateOptions) -> Value:
        """Send an update to a workflow and wait for its result; what its handler or validator raises is raised here.

        With `wait_for = "accepted"` it returns `{update_id, workflow_id, run_id}` as soon as the workflow has accepted
        the update; called once more with that `update_id` it waits for the result.

        Args:
            options: Which update to send where.
        """
        call = self.handle(options).start_update(
            options.update_name,
            args=values.arguments(options),
            wait_for_stage=stage(options),
            id=options.update_id,
            result_type=RawValue,
            **options.rpc(),
        )
        return await outcome("client:update_workflow", call, options, options)
