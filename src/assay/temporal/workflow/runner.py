"""What the SDK runs our workflow classes with: its own runner, and a word when a run does not match its history."""

from __future__ import annotations

import logging
import re

from temporalio.bridge.proto.workflow_activation import RemoveFromCache, WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails

from assay.temporal.workflow.instance import Settings

logger = logging.getLogger(__name__)


def _telling_part(message: str) -> str:
    """The core's message within its dump of a failure."""
    found = re.search(r'message: "((?:[^"\\]|\\.)*)"', message)
    return found[1] if found else message


class LuaWorkflowRunner(UnsandboxedWorkflowRunner):
    """Says which event does not match and where in the Lua code the run was."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Make an instance whose evictions are looked at."""
        instance = super().create_instance(det)
        activate = instance.activate
        info = det.info

        def watch(act: WorkflowActivation) -> WorkflowActivationCompletion:
            for job in act.jobs:
                removal = job.remove_from_cache
                if removal.reason == RemoveFromCache.EvictionReason.NONDETERMINISM:
                    host = self._settings.runs.get(info.run_id)
                    where = f"\n{host.where()}" if host is not None else ""
                    logger.error(
                        "workflow '%s' (%s) does not match its history: %s%s",
                        info.workflow_type,
                        info.workflow_id,
                        _telling_part(removal.message),
                        where,
                    )
                elif removal.reason == RemoveFromCache.EvictionReason.FATAL:
                    # Nothing else is said of a command that the server refuses, and the task comes back for ever.
                    logger.warning(
                        "workflow '%s' (%s): the server did not take what a workflow task asked for: "
                        "the last WorkflowTaskFailed event of its history says why",
                        info.workflow_type,
                        info.workflow_id,
                    )
            completion = activate(act)
            if any(job.HasField("remove_from_cache") for job in act.jobs):
                evicted = self._settings.runs.pop(info.run_id, None)
                if evicted is not None:
                    evicted.state.close()
            return completion

        instance.activate = watch  # type: ignore[method-assign]
        return instance
