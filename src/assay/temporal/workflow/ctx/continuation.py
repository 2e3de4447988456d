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
from assay.temporal.workflow.ctx.calls import arguments, set_attributes, set_memo, set_time
from assay.temporal.workflow.run.run import ContinueAsNew, Run


@dataclass(kw_only=True)
class ContinueOptions:
    """What the next run does otherwise than this one. All times are seconds.

    Attributes:
        args: Several arguments in place of the one input, for workflows of other languages.
        workflow_type: The workflow; the same when left out.
        task_queue: Where its worker looks for it.
        run_timeout: How long the run may take.
        task_timeout: How long one workflow task may take.
        retry_policy: When the workflow is tried again.
        memo: Values by name that are shown with it, in place of those of this run.
        search_attributes: Values by name by which it can be found, in place of those of this run.
        initial_versioning_behavior: Which version of a deployment begins it. A pinned run is continued by its own
            version when this is left out; "auto_upgrade" takes the current version, "use_ramping_version" the ramping
            one if there is one.
        backoff_start_interval: Seconds until its first task.
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
    """A new run in place of this one."""

    _run: Run

    @method
    def continue_as_new(self, input: Json | None = None, options: ContinueOptions | None = None) -> None:
        """End this run and start the workflow again with a history of its own; it does not return.

        Nothing catches it, also not `pcall`. Signals that have not been taken are lost, so take them first; a cancel
        that comes in the same workflow task is lost too. Whoever waits for the workflow's result gets that of the last
        run. The memo and the search attributes are kept with their changes, a cron schedule is not. It can be called
        wherever `ctx` can be, but for the handler of an update, whose caller waits for an answer.

        Args:
            input: What the next run gets.
            options: What it does otherwise than this one.
        """
        run = self._run
        if run.fiber is not None and run.fiber.update is not None:
            raise BuiltinError(
                "not allowed in the handler of an update: let the workflow function call it once the handler has ended"
            )
        if run.is_over:
            raise BuiltinError("the run has ended already")
        given = options or ContinueOptions()
        command = WorkflowCommand()
        target = command.continue_as_new_workflow_execution
        target.workflow_type = given.workflow_type or ""
        target.task_queue = given.task_queue or ""
        target.arguments.extend(arguments(run, input, given.args))
        set_time(target.workflow_run_timeout, "run_timeout", given.run_timeout)
        set_time(target.workflow_task_timeout, "task_timeout", given.task_timeout)
        set_time(target.backoff_start_interval, "backoff_start_interval", given.backoff_start_interval)
        if given.retry_policy is not None:
            given.retry_policy.to_sdk().apply_to_proto(target.retry_policy)
        if given.memo is not None:
            set_memo(run, target.memo, given.memo)
        else:
            run.attributes.copy_changed_memo(target.memo)
        set_attributes(target.search_attributes.indexed_fields, given.search_attributes)
        if given.initial_versioning_behavior is not None:
            name = f"CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_{given.initial_versioning_behavior.upper()}"
            target.initial_versioning_behavior = ContinueAsNewVersioningBehavior.Value(name)
        target.SetInParent()
        if run.settings.spans is not None:
            run.settings.spans.continued(run, target.headers)
        run.outbound.check(command)
        raise ContinueAsNew(command)
