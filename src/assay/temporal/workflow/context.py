"""`ctx`: what a workflow function calls. Each method asks the SDK; a failure becomes a Lua error object."""

from __future__ import annotations

from typing import ClassVar

from temporalio import workflow

from assay.lua.declare import method
from assay.temporal.meter import MetricMeter
from assay.temporal.workflow.activities import Activities, LocalActivities
from assay.temporal.workflow.cancellation import Cancellation
from assay.temporal.workflow.children import Children
from assay.temporal.workflow.clock import Clock
from assay.temporal.workflow.conditions import Conditions
from assay.temporal.workflow.continuation import Continuation
from assay.temporal.workflow.futures import Futures
from assay.temporal.workflow.host import WorkflowHost
from assay.temporal.workflow.info import Info
from assay.temporal.workflow.messages import Messages
from assay.temporal.workflow.nexus import Nexus
from assay.temporal.workflow.others import Others
from assay.temporal.workflow.randomness import Randomness
from assay.temporal.workflow.visibility import Visibility


class Context(
    Activities,
    Children,
    Futures,
    Conditions,
    Messages,
    Clock,
    Cancellation,
    Continuation,
    Visibility,
    Info,
    Others,
    Randomness,
    Nexus,
):
    """The first argument of a workflow function."""

    lua_name: ClassVar[str] = "Context"
    lua_prefix: ClassVar[str] = "ctx"

    def __init__(self, host: WorkflowHost) -> None:
        self._host = host
        self._local = LocalActivities(host)

    @method
    def patched(self, id: str) -> bool:
        """Tell whether this run takes the new way of a change: new runs do, runs from before the change do not.

        Args:
            id: A name of the change.
        """
        return workflow.patched(id)

    @method
    def deprecate_patch(self, id: str) -> None:
        """Say that no run from before a change is open any more, before its `patched` is removed.

        Args:
            id: The name of the change.
        """
        workflow.deprecate_patch(id)

    @method
    def metric_meter(self) -> MetricMeter:
        """Return what makes metrics. What is recorded while a run is replayed is not recorded again."""
        return MetricMeter(workflow.metric_meter())

    @method
    def uuid(self) -> str:
        """Return a UUID, the same on every replay."""
        return str(workflow.uuid4())

    @method
    def uuid7(self) -> str:
        """Return a UUID of version 7, the same on every replay: it sorts by the time of the workflow task."""
        return str(workflow.uuid7())
