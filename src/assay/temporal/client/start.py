"""Client methods that start workflows."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from temporalio.common import RawValue, WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from assay.lua.declare import method
from assay.lua.outcomes import Results
from assay.lua.values import Json, Name, Seconds, Value
from assay.temporal.client import values
from assay.temporal.client.messages import UpdateOptions, stage, update_result
from assay.temporal.client.session import CallOptions, Session, call_server
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
    """Options of every workflow start.

    Attributes:
        task_queue: Task queue of the workflow's workers.
        workflow_type: Workflow type, as registered by the worker.
        workflow_id: Workflow id.
        execution_timeout: Timeout of the whole execution, in seconds, including retries and continue-as-new. Default:
            no limit.
        run_timeout: Timeout of one run, in seconds. Default: `execution_timeout`.
        task_timeout: Timeout of one workflow task, in seconds. Default: 10.
        retry_policy: Retry policy of the workflow.
        memo: Non-indexed values by name, returned in lists and descriptions.
        search_attributes: Indexed values by name, of the types registered on the server: a string, an integer, a
            number, a boolean, a time (seconds since 1970-01-01 UTC, or an ISO 8601 string with a time zone), or an
            array of strings.
        static_summary: One-line summary for the Web UI, in Markdown.
        static_details: Detailed description for the Web UI, in Markdown.
        priority: Task priority: a table, or only its `priority_key`.
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
    """Start options of the workflow of an update-with-start.

    Attributes:
        workflow_id: Workflow id; a random UUID if omitted.
        id_reuse_policy: Reuse of the id of a closed workflow; "allow_duplicate_failed_only" allows it only if that
            workflow did not complete, "reject_duplicate" never. Default: "allow_duplicate".
        id_conflict_policy: Behavior when a workflow with this id is running: "fail" raises an error of kind
            "already_started", "use_existing" returns the running workflow, "terminate_existing" terminates it first.
            Defaults to "fail"; for an update to "use_existing".
        cron_schedule: Cron expression by which the workflow recurs. Prefer schedules, which have more features.
        start_delay: Delay of the first workflow task, in seconds; a signal ends it.
        versioning_override: Versioning behavior that overrides the worker's: a table pins a version of a deployment,
            "auto_upgrade" follows the current version.
    """

    id_reuse_policy: Literal["allow_duplicate", "allow_duplicate_failed_only", "reject_duplicate"] | None = None
    id_conflict_policy: Literal["fail", "use_existing", "terminate_existing"] | None = None
    cron_schedule: str | None = None
    start_delay: Seconds | None = None
    versioning_override: Literal["auto_upgrade"] | VersionOverride | None = None


@dataclass(kw_only=True)
class StartSignalOptions(InputOptions):
    """Signal of a signal-with-start.

    Attributes:
        name: Name of the signal.
    """

    name: Name


@dataclass(kw_only=True)
class StartOptions(WithStartOptions, CallOptions):
    """Options of `client:start_workflow`.

    Attributes:
        start_signal: Signal to send to the workflow, which is started first unless it is running.
        request_eager_start: Dispatch the first workflow task directly to a worker of this process, bypassing the task
            queue, if one with the same connection options has a free slot.
    """

    start_signal: StartSignalOptions | None = None
    request_eager_start: bool = False


@dataclass(kw_only=True)
class StartConnectionOptions(ConnectionOptions, StartOptions):
    """Connection options and start options."""


@dataclass(kw_only=True)
class UpdateWithStartOptions(CallOptions):
    """Options of `client:update_with_start`.

    Attributes:
        update: Update to send.
        start: Workflow to start if it is not running.
    """

    update: UpdateOptions
    start: WithStartOptions


@dataclass
class Started:
    """A started workflow.

    Attributes:
        workflow_id: Workflow id.
        run_id: Run id.
    """

    workflow_id: str
    run_id: str | None


def common_arguments(options: WorkflowOptions) -> dict[str, Any]:
    """Return the SDK's arguments for the options of every start, except the search attributes."""
    arguments: dict[str, Any] = {
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
        arguments["priority"] = priority(options.priority)
    return arguments


async def _arguments(session: Session, options: WithStartOptions) -> dict[str, Any]:
    arguments = common_arguments(options)
    arguments["id"] = options.workflow_id or str(uuid.uuid4())
    if options.search_attributes:
        arguments["search_attributes"] = await session.search_attributes.typed(options.search_attributes)
    if options.id_reuse_policy is not None:
        arguments["id_reuse_policy"] = WorkflowIDReusePolicy[options.id_reuse_policy.upper()]
    if options.id_conflict_policy is not None:
        arguments["id_conflict_policy"] = WorkflowIDConflictPolicy[options.id_conflict_policy.upper()]
    if options.cron_schedule is not None:
        arguments["cron_schedule"] = options.cron_schedule
    if options.start_delay is not None:
        arguments["start_delay"] = seconds(options.start_delay)
    if options.versioning_override is not None:
        arguments["versioning_override"] = versioning_override(options.versioning_override)
    return arguments


async def start(session: Session, options: StartOptions) -> WorkflowHandle[Any, RawValue]:
    """Start a workflow. Raises the SDK's errors."""
    sdk = session.sdk
    arguments = await _arguments(session, options)
    signal = options.start_signal
    if signal is not None:
        arguments |= {"start_signal": signal.name, "start_signal_args": values.arguments(signal)}
    return await sdk.start_workflow(
        options.workflow_type,
        **arguments,
        request_eager_start=options.request_eager_start,
        result_type=RawValue,
        **options.rpc(),
    )


def _started(handle: WorkflowHandle[Any, Any]) -> Started:
    return Started(handle.id, handle.result_run_id)


async def start_workflow(title: str, session: Session, options: StartOptions) -> Started:
    """Start a workflow for the Lua function `title`."""
    return _started(await call_server(title, start(session, options)))


class StartMethods(Session):
    """Client methods that start workflows."""

    @method
    async def start_workflow(self, options: StartOptions) -> Started:
        """Start a workflow. Raises an error of kind "already_started" if a workflow with the same id is running.

        Args:
            options: Workflow type, task queue and start options.
        """
        return await start_workflow("client:start_workflow", self, options)

    @method
    async def execute_workflow(self, options: StartOptions) -> Json:
        """Start a workflow, wait for it to complete and return its result. Raises its failure.

        A warning is logged after 5 seconds if no worker polls the workflow's task queue.

        Args:
            options: Workflow type, task queue and start options.
        """
        title = "client:execute_workflow"
        handle = await call_server(title, start(self, options))
        async with warned_if_unserved(self.sdk, handle):
            return values.result(await call_server(title, handle.result(), f"workflow '{handle.id}'"))

    @method
    async def update_with_start(self, options: UpdateWithStartOptions) -> Results:
        """Send an update to a workflow, starting the workflow first unless it is running.

        Returns what `update_workflow` returns, and a table with the `workflow_id` and the `run_id`.

        Args:
            options: Update to send and workflow to start.
        """
        title = "client:update_with_start"
        sdk = self.sdk
        from temporalio.client import WithStartWorkflowOperation

        update, to_start = options.update, options.start
        if to_start.id_conflict_policy is None:
            to_start.id_conflict_policy = "use_existing"
        operation: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            to_start.workflow_type, **await call_server(title, _arguments(self, to_start))
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
            result = await update_result(title, call, update, options)
            return Results((result, _started(await started)))
        finally:
            # It fails together with the update; an exception that is never retrieved would be logged at exit.
            started.cancel()
            await asyncio.gather(started, return_exceptions=True)
