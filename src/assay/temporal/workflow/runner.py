"""What the SDK runs our workflow classes with: its own runner, and a word when a run does not match its history."""

from __future__ import annotations

import dataclasses
import functools
import logging
import re
from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import RemoveFromCache, WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import (
    HandleQueryInput,
    HandleUpdateInput,
    UnsandboxedWorkflowRunner,
    WorkflowInboundInterceptor,
    WorkflowInstance,
    WorkflowInstanceDetails,
)
from temporalio.workflow import Info

from assay.temporal.workflow.instance import Settings
from assay.temporal.workflow.metadata import METADATA_QUERY
from assay.temporal.workflow.waits import STACK_QUERY, STATE_QUERY

logger = logging.getLogger(__name__)


def _telling_part(message: str) -> str:
    """The core's message within its dump of a failure."""
    found = re.search(r'message: "((?:[^"\\]|\\.)*)"', message)
    return found[1] if found else message


class _Messages(WorkflowInboundInterceptor):
    """What handlers of all names cannot do: validate updates, and answer the questions of tools in Lua's terms."""

    async def handle_query(self, input: HandleQueryInput) -> Any:
        if input.query in (STATE_QUERY, STACK_QUERY):
            return workflow.instance().answer_tool(input.query)
        answer = await super().handle_query(input)
        if input.query == METADATA_QUERY:
            workflow.instance().describe_handlers(answer)
        return answer

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        workflow.instance().validate_update(*input.args)


def _in_order(
    activate: Callable[[WorkflowActivation], WorkflowActivationCompletion], act: WorkflowActivation
) -> WorkflowActivationCompletion:
    """Let the workflow function begin, and register its handlers, before the updates come that its first task brings.

    The SDK would handle all messages first: a signal is kept until it is waited for, an update would be rejected.
    """
    updates = [job for job in act.jobs if job.HasField("do_update")]
    if not updates or not any(job.HasField("initialize_workflow") for job in act.jobs):
        return activate(act)
    begin, then = WorkflowActivation(), WorkflowActivation()
    for part, jobs in (begin, [job for job in act.jobs if not job.HasField("do_update")]), (then, updates):
        part.CopyFrom(act)
        del part.jobs[:]
        part.jobs.extend(jobs)
    begun = activate(begin)
    if not begun.HasField("successful"):
        return begun
    completion = activate(then)
    if completion.HasField("successful"):
        begun.successful.commands.extend(completion.successful.commands)
        begun.successful.used_internal_flags.extend(completion.successful.used_internal_flags)
        return begun
    return completion


class LuaWorkflowRunner(UnsandboxedWorkflowRunner):
    """Says which event does not match and where in the Lua code the run was."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def mismatch(self, info: Info, message: str, where: str) -> None:
        """Tell of a run that does not match its history: the core's message, and where the run was."""
        logger.error(
            "workflow '%s' (%s) does not match its history: %s%s",
            info.workflow_type,
            info.workflow_id,
            message,
            f"\n{where}" if where else "",
        )

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Make an instance whose evictions are looked at."""
        det = dataclasses.replace(det, interceptor_classes=[*det.interceptor_classes, _Messages])
        instance = super().create_instance(det)
        activate = functools.partial(_in_order, instance.activate)
        info = det.info

        def watch(act: WorkflowActivation) -> WorkflowActivationCompletion:
            cached = self._settings.runs.get(info.run_id)
            if cached is not None:
                cached.begin_activation()
            removals = [job.remove_from_cache for job in act.jobs if job.HasField("remove_from_cache")]
            for removal in removals:
                if removal.reason == RemoveFromCache.EvictionReason.NONDETERMINISM:
                    self.mismatch(info, _telling_part(removal.message), "" if cached is None else cached.where())
                elif removal.reason == RemoveFromCache.EvictionReason.FATAL:
                    # Nothing else is said of a command that the server refuses, and the task comes back for ever.
                    logger.warning(
                        "workflow '%s' (%s): the server did not take what a workflow task asked for: "
                        "the last WorkflowTaskFailed event of its history says why",
                        info.workflow_type,
                        info.workflow_id,
                    )
            completion = activate(act)
            if removals:
                evicted = self._settings.runs.pop(info.run_id, None)
                if evicted is not None:
                    evicted.state.close()
            return completion

        instance.activate = watch  # type: ignore[method-assign]
        return instance
