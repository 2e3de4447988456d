"""Starting workflows."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from temporalio.common import RawValue, WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from assay.lua.declare import method
from assay.lua.outcomes import Several
from assay.lua.values import Json, Name, Seconds, Value
from assay.temporal.client import values
from assay.temporal.client.messages import UpdateOptions, outcome, stage
from assay.temporal.client.session import CallOptions, Session, answer
from assay.temporal.client.unserved import warned_if_unserved
from assay.temporal.client.values import InputOptions
from assay.temporal.connection.options import ConnectionOptions
from assay.temporal.data.options import (
    PriorityOptions,
    RetryPolicyOptions,
    VersionOverride,
    priority,
    seconds,
    versioning_override,
)

if TYPE_CHECKING:
    from temporalio.client import WithStartWorkflowOperation, WorkflowHandle


@dataclass(kw_only=True)
class WorkflowOptions(InputOptions):
    """What every start of a workflow takes.

    Attributes:
        task_queue: Where a worker looks for it.
        workflow_type: The name that the worker registered.
        workflow_id: Its id.
        execution_timeout: Seconds that the workflow may take with its retries and continuations.
        run_timeout: Seconds that one run may take.
        task_timeout: Seconds that one workflow task may take.
        retry_policy: When the whole workflow is tried again.
        memo: Values by name that lists and descriptions show; they cannot be searched.
        search_attributes: Values by name that queries can search, each of the type that the server has registered: a
            string, an integer, a number, a boolean, a time (seconds since 1970-01-01 UTC, or ISO 8601 text with a
            zone), or an array of strings.
        static_summary: One line about this workflow for the Web UI, in Markdown.
        static_details: More about it, in Markdown.
        priority: Who goes first when workers are busy: a table, or only its `priority_key`.
    """

    task_queue: Name
    workflow_type: Name
    workflow_id: Name | None = None
    execution_timeout: Seconds | None = None
    run_timeout: Seconds | None = None
    task_timeout: Seconds | None = None
    retry_policy: RetryPolicyOptions | None = None
    memo: dict[str, Value] | None = None
    search_attributes: dict[str, Value] | None = None
    static_summary: str | None = None
    static_details: str | None = None
    priority: int | PriorityOptions | None = None


@dataclass(kw_only=True)
class WithStartOptions(WorkflowOptions):
    """The workflow of an update: what to start if it is not there.

    Attributes:
        workflow_id: Its id; a fresh UUID when left out.
        id_reuse_policy: Whether a closed workflow's id may be used again: "allow_duplicate_failed_only" only if that
            workflow did not complete.
        id_conflict_policy: What happens when a workflow with this id is running: "fail" raises an error of kind
            "already_started", "use_existing" takes that one, "terminate_existing" ends it first. "fail" when left out,
            for an update "use_existing".
        cron_schedule: Start it again and again, by this cron expression. A schedule can do more.
        start_delay: Seconds until its first task; a signal ends the delay.
        versioning_override: Which version of a deployment runs it, whatever its worker says: one that a table names, or
            "auto_upgrade" for the current one at each step.
    """

    id_reuse_policy: Literal["allow_duplicate", "allow_duplicate_failed_only", "reject_duplicate"] | None = None
    id_conflict_policy: Literal["fail", "use_existing", "terminate_existing"] | None = None
    cron_schedule: str | None = None
    start_delay: Seconds | None = None
    versioning_override: Literal["auto_upgrade"] | VersionOverride | None = None


@dataclass(kw_only=True)
class StartSignalOptions(InputOptions):
    """The signal that a workflow is started with.

    Attributes:
        name: The signal.
    """

    name: Name


@dataclass(kw_only=True)
class StartOptions(WithStartOptions, CallOptions):
    """What to start.

    Attributes:
        start_signal: Send this signal to the workflow, and start it first if it is not running.
        request_eager_start: Take the first task at once to a worker of this process, without the way over the task
            queue, if there is one with the same connection options that has room.
    """

    start_signal: StartSignalOptions | None = None
    request_eager_start: bool = False


@dataclass(kw_only=True)
class StartConnectionOptions(ConnectionOptions, StartOptions):
    """Where the server is and what to start."""


@dataclass(kw_only=True)
class UpdateWithStartOptions(CallOptions):
    """An update, and the workflow that it is for.

    Attributes:
        update: The update.
        start: The workflow.
    """

    update: UpdateOptions
    start: WithStartOptions


@dataclass
class Started:
    """What was started.

    Attributes:
        workflow_id: Its id.
        run_id: The id of its run.
    """

    workflow_id: str
    run_id: str | None


def common_arguments(options: WorkflowOptions) -> dict[str, Any]:
    """The SDK's arguments that every start of a workflow takes, but for the search attributes."""
    found: dict[str, Any] = {
        "args": values.arguments(options),
        "task_queue": options.task_queue,
        "execution_timeout": seconds(options.execution_timeout),
        "run_timeout": seconds(options.run_timeout),
        "task_timeout": seconds(options.task_timeout),
        "retry_policy": options.retry_policy.to_sdk() if options.retry_policy else None,
        "memo": values.memo(options.memo),
        "static_summary": options.static_summary,
        "static_details": options.static_details,
    }
    if options.priority is not None:
        found["priority"] = priority(options.priority)
    return found


async def _arguments(session: Session, options: WithStartOptions) -> dict[str, Any]:
    found = common_arguments(options)
    found["id"] = options.workflow_id or str(uuid.uuid4())
    if options.search_attributes:
        found["search_attributes"] = await session.search_attributes.typed(options.search_attributes)
    if options.id_reuse_policy is not None:
        found["id_reuse_policy"] = WorkflowIDReusePolicy[options.id_reuse_policy.upper()]
    if options.id_conflict_policy is not None:
        found["id_conflict_policy"] = WorkflowIDConflictPolicy[options.id_conflict_policy.upper()]
    if options.cron_schedule is not None:
        found["cron_schedule"] = options.cron_schedule
    if options.start_delay is not None:
        found["start_delay"] = seconds(options.start_delay)
    if options.versioning_override is not None:
        found["versioning_override"] = versioning_override(options.versioning_override)
    return found


async def start(session: Session, options: StartOptions) -> WorkflowHandle[Any, RawValue]:
    """Start a workflow; the SDK's errors come out."""
    sdk = session.sdk
    found = await _arguments(session, options)
    signal = options.start_signal
    if signal is not None:
        found |= {"start_signal": signal.name, "start_signal_args": values.arguments(signal)}
    return await sdk.start_workflow(
        options.workflow_type,
        **found,
        request_eager_start=options.request_eager_start,
        result_type=RawValue,
        **options.rpc(),
    )


def _started(handle: WorkflowHandle[Any, Any]) -> Started:
    return Started(handle.id, handle.result_run_id)


async def start_workflow(title: str, session: Session, options: StartOptions) -> Started:
    """Start a workflow for the Lua function `title`."""
    return _started(await answer(title, start(session, options)))


class StartMethods(Session):
    """The client's methods that start workflows."""

    @method
    async def start_workflow(self, options: StartOptions) -> Started:
        """Start a workflow. An id that is taken by a running workflow is an error of kind "already_started".

        Args:
            options: What to start.
        """
        return await start_workflow("client:start_workflow", self, options)

    @method
    async def execute_workflow(self, options: StartOptions) -> Json:
        """Start a workflow and wait until it has ended; returns its result, or raises its failure.

        When no worker takes the workflow a warning says so after 5 seconds.

        Args:
            options: What to start.
        """
        title = "client:execute_workflow"
        handle = await answer(title, start(self, options))
        async with warned_if_unserved(self.sdk, handle):
            return values.result(await answer(title, handle.result(), f"workflow '{handle.id}'"))

    @method
    async def update_with_start(self, options: UpdateWithStartOptions) -> Several:
        """Send an update to a workflow that is started first if it is not running.

        Returns what `update_workflow` returns, and a table with the workflow's `workflow_id` and `run_id`.

        Args:
            options: The update, and the workflow.
        """
        title = "client:update_with_start"
        sdk = self.sdk
        from temporalio.client import WithStartWorkflowOperation

        update, to_start = options.update, options.start
        if to_start.id_conflict_policy is None:
            to_start.id_conflict_policy = "use_existing"
        operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            to_start.workflow_type, **await answer(title, _arguments(self, to_start))
        )
        call = sdk.start_update_with_start_workflow(
            update.update_name,
            args=values.arguments(update),
            start_workflow_operation=operation,
            wait_for_stage=stage(update),
            id=update.update_id,
            result_type=RawValue,
            **options.rpc(),
        )
        started = asyncio.ensure_future(operation.workflow_handle())
        try:
            result = await outcome(title, call, update, options)
            return Several((result, _started(await started)))
        finally:
            # It fails with the update; an exception that is never retrieved would be reported at the end.
            started.cancel()
            await asyncio.gather(started, return_exceptions=True)
