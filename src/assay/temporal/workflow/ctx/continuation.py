"""`ctx:continue_as_new`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from temporalio.api.enums.v1 import ContinueAsNewVersioningBehavior

from assay.errors import BuiltinError
from assay.lua.declare import method
from assay.lua.values import Json, Value
from assay.temporal.core.protos import WorkflowCommand
from assay.temporal.data.options import RetryPolicyOptions
from assay.temporal.workflow.ctx.calls import input_payloads, set_attributes, set_memo, set_time
from assay.temporal.workflow.run.run import ContinueAsNew, Run


@dataclass(kw_only=True)
class ContinueOptions:
    """Options of the next run; omitted ones are taken over from this run. All times are in seconds.

    Attributes:
        args: Multiple arguments instead of the single input, for workflows written in other languages.
        workflow_type: Workflow type.
        task_queue: Task queue.
        run_timeout: Maximum time of the next run.
        task_timeout: Maximum time of a single workflow task.
        retry_policy: Retry policy of the workflow.
        memo: Memo fields by name; replaces the memo of this run.
        search_attributes: Search attributes by name; replaces those of this run.
        initial_versioning_behavior: Deployment version on which the next run starts: "auto_upgrade" for the current
            version, "use_ramping_version" for the ramping version if there is one. When omitted, a pinned run continues
            on the same version.
        backoff_start_interval: Delay before the first workflow task of the next run.
    """

    args: list[Json] | None = None
    workflow_type: str | None = None
    task_queue: str | None = None
    run_timeout: float | None = None
    task_timeout: float | None = None
    retry_policy: RetryPolicyOptions | None = None
    memo: dict[str, Json] | None = None
    search_attributes: dict[str, Value] | None = None
    initial_versioning_behavior: Literal["auto_upgrade", "use_ramping_version"] | None = None
    backoff_start_interval: float | None = None


class Continuation:
    """Continue-as-new."""

    _run: Run

    @method
    def continue_as_new(self, input: Json | None = None, options: ContinueOptions | None = None) -> None:
        """End this run and continue the workflow in a new run with an empty history. Does not return.

        `pcall` does not catch it. Signals that have not been received are lost, so receive them first. A cancellation
        request that arrives in the same workflow task is lost, too. Clients that wait for the result get that of the
        last run. The new run keeps the memo and the search attributes with their changes, but not a cron schedule.
        Update handlers cannot call it, because the caller of the update waits for a response.

        Args:
            input: Input of the next run.
            options: Options of the next run.
        """
        run = self._run
        if run.fiber is not None and run.fiber.update is not None:
            raise BuiltinError(
                "not allowed in an update handler: call it from the workflow function once the handler has finished"
            )
        if run.is_over:
            raise BuiltinError("the run has already ended")
        options = options or ContinueOptions()
        command = WorkflowCommand()
        target = command.continue_as_new_workflow_execution
        target.workflow_type = options.workflow_type or ""
        target.task_queue = options.task_queue or ""
        target.arguments.extend(input_payloads(run, input, options.args))
        set_time(target.workflow_run_timeout, "run_timeout", options.run_timeout)
        set_time(target.workflow_task_timeout, "task_timeout", options.task_timeout)
        set_time(target.backoff_start_interval, "backoff_start_interval", options.backoff_start_interval)
        if options.retry_policy is not None:
            options.retry_policy.to_sdk().apply_to_proto(target.retry_policy)
        if options.memo is not None:
            set_memo(run, target.memo, options.memo)
        else:
            run.attributes.copy_changed_memo(target.memo)
        set_attributes(target.search_attributes.indexed_fields, options.search_attributes)
        if options.initial_versioning_behavior is not None:
            name = f"CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_{options.initial_versioning_behavior.upper()}"
            target.initial_versioning_behavior = ContinueAsNewVersioningBehavior.Value(name)
        target.SetInParent()
        if run.settings.spans is not None:
            run.settings.spans.continued(run, target.headers)
        run.outbound.reserve(command)
        raise ContinueAsNew(command)
