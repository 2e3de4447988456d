"""`ctx:continue_as_new`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from temporalio import workflow

from assay.errors import BuiltinError
from assay.lua.declare import method
from assay.lua.values import Json, Value
from assay.temporal.options import RetryPolicyOptions
from assay.temporal.workflow.calls import arguments, attributes, memo, positive
from assay.temporal.workflow.host import ContinueAsNew


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

    @method
    def continue_as_new(self, input: Json | None = None, options: ContinueOptions | None = None) -> None:
        """End this run and start the workflow again with a history of its own; it does not return.

        Nothing catches it, also not `pcall`. Signals that nobody has taken are lost, so take them first; whoever waits
        for the workflow's result gets that of the last run. It can be called wherever `ctx` can be, but for the handler
        of an update, whose caller waits for an answer.

        Args:
            input: What the next run gets.
            options: What it does otherwise than this one.
        """
        if workflow.current_update_info() is not None:
            raise BuiltinError(
                "not in the handler of an update: let the workflow function do it when the handler ended"
            )
        given = options or ContinueOptions()
        versioning = given.initial_versioning_behavior or "unspecified"
        raise ContinueAsNew(
            args=arguments(input, given.args),
            workflow=given.workflow_type,
            task_queue=given.task_queue,
            run_timeout=positive("run_timeout", given.run_timeout),
            task_timeout=positive("task_timeout", given.task_timeout),
            retry_policy=given.retry_policy.to_sdk() if given.retry_policy else None,
            memo=memo(given.memo),
            search_attributes=attributes(given.search_attributes),
            initial_versioning_behavior=workflow.ContinueAsNewVersioningBehavior[versioning.upper()],
            backoff_start_interval=positive("backoff_start_interval", given.backoff_start_interval),
        )
