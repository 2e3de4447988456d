"""Client methods that send signals, queries and updates."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from temporalio.common import QueryRejectCondition, RawValue

from assay.lua.declare import method
from assay.lua.values import Json, Name, Value
from assay.temporal.client import values
from assay.temporal.client.session import CallOptions, RunOptions, Session, call_server
from assay.temporal.client.values import InputOptions

if TYPE_CHECKING:
    from temporalio.client import (
        WorkflowUpdateHandle,
        WorkflowUpdateStage,
    )


@dataclass(kw_only=True)
class SignalOptions(RunOptions, InputOptions):
    """Options of `client:signal_workflow`.

    Attributes:
        signal_name: Name of the signal.
    """

    signal_name: Name


@dataclass(kw_only=True)
class QueryOptions(RunOptions, InputOptions):
    """Options of `client:query_workflow`.

    Attributes:
        query_type: Name of the query.
        reject_condition: Reject the query if the workflow is not open, or if it closed without completing.
    """

    query_type: Name
    reject_condition: Literal["not_open", "not_completed_cleanly"] | None = None


@dataclass(kw_only=True)
class UpdateOptions(InputOptions):
    """An update and the stage to wait for.

    Attributes:
        update_name: Name of the update.
        update_id: Idempotency id; a random UUID if omitted. A second request with the same id returns the result of
            the first and does not run the handler again.
        wait_for: Stage to wait for: completed, or only accepted by the workflow.
    """

    update_name: Name
    update_id: Name | None = None
    wait_for: Literal["accepted", "completed"] = "completed"


@dataclass(kw_only=True)
class RunUpdateOptions(RunOptions, UpdateOptions):
    """Options of `client:update_workflow`."""


def stage(update: UpdateOptions) -> WorkflowUpdateStage:
    """Return the SDK's stage for `wait_for`."""
    from temporalio.client import WorkflowUpdateStage

    return WorkflowUpdateStage[update.wait_for.upper()]


async def update_result(
    title: str, call: Awaitable[WorkflowUpdateHandle[Any]], update: UpdateOptions, options: CallOptions
) -> Value:
    """Await an update; return its result, or its ids with `wait_for = "accepted"`."""
    from temporalio.client import RPCTimeoutOrCancelledError

    async def wait() -> Value:
        try:
            handle = await call
            if update.wait_for == "accepted":
                return {"update_id": handle.id, "workflow_id": handle.workflow_id, "run_id": handle.workflow_run_id}
            result = await handle.result(**options.rpc())
            return None if result is None else values.plain(result)
        except RPCTimeoutOrCancelledError as error:
            if isinstance(error.__cause__, asyncio.CancelledError):
                raise error.__cause__ from None  # the Lua task was cancelled
            raise

    return await call_server(title, wait())


class MessageMethods(Session):
    """Client methods that send messages to a running workflow."""

    @method
    async def signal_workflow(self, options: SignalOptions) -> None:
        """Send a signal to a running workflow. Raises an error of kind "not_found" if it is not running.

        Args:
            options: Workflow id, signal name and input.
        """
        args = values.arguments(options)
        call = self.handle(options).signal(options.signal_name, args=args, **options.rpc())
        await call_server("client:signal_workflow", call)

    @method
    async def query_workflow(self, options: QueryOptions) -> Json:
        """Query a workflow and return the result of its query handler.

        An error of the handler and an unknown query raise an error of type "QueryFailed", a query that
        `reject_condition` rejects one of type "QueryRejected". A worker must be running; a closed workflow can be
        queried too.

        Args:
            options: Workflow id, query name and input.
        """
        condition = options.reject_condition
        call = self.handle(options).query(
            options.query_type,
            args=values.arguments(options),
            reject_condition=None if condition is None else QueryRejectCondition[condition.upper()],
            result_type=RawValue,
            **options.rpc(),
        )
        return values.result(await call_server("client:query_workflow", call))

    @method
    async def update_workflow(self, options: RunUpdateOptions) -> Value:
        """Send an update to a workflow and return its result. Raises an error of its handler or validator.

        With `wait_for = "accepted"`, return `{update_id, workflow_id, run_id}` once the workflow has accepted the
        update. A second call with that `update_id` waits for the result.

        Args:
            options: Workflow id, update name and input.
        """
        call = self.handle(options).start_update(
            options.update_name,
            args=values.arguments(options),
            wait_for_stage=stage(options),
            id=options.update_id,
            result_type=RawValue,
            **options.rpc(),
        )
        return await update_result("client:update_workflow", call, options, options)
