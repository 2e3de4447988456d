"""The class of `ctx`, assembled from the topics of this package; versioning, metrics and UUIDs."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from assay.lua.declare import method
from assay.temporal.telemetry.meter import MetricMeter
from assay.temporal.workflow.ctx.activities import Activities
from assay.temporal.workflow.ctx.cancellation import Cancellation
from assay.temporal.workflow.ctx.children import Children
from assay.temporal.workflow.ctx.clock import Clock
from assay.temporal.workflow.ctx.conditions import Conditions
from assay.temporal.workflow.ctx.continuation import Continuation
from assay.temporal.workflow.ctx.external import ExternalWorkflows
from assay.temporal.workflow.ctx.futures import Futures
from assay.temporal.workflow.ctx.info import Info
from assay.temporal.workflow.ctx.messages import Messages
from assay.temporal.workflow.ctx.nexus import Nexus
from assay.temporal.workflow.ctx.randomness import Randomness
from assay.temporal.workflow.ctx.visibility import Visibility
from assay.temporal.workflow.run.run import Run


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
    ExternalWorkflows,
    Randomness,
    Nexus,
):
    """The context that a workflow function receives as its first argument."""

    lua_name: ClassVar[str] = "Context"
    lua_prefix: ClassVar[str] = "ctx"

    def __init__(self, run: Run) -> None:
        self._run = run

    @method
    def patched(self, id: str) -> bool:
        """Return true if this run must take the patched code path. New runs must; runs from before the patch must not.

        Args:
            id: Id of the patch.
        """
        return self._run.patches.is_patched(id, is_replaying=self._run.is_replaying)

    @method
    def deprecate_patch(self, id: str) -> None:
        """Deprecate a patch once no run from before it is open. This is the last step before removing the patch.

        Args:
            id: Id of the patch.
        """
        self._run.patches.is_patched(id, is_replaying=self._run.is_replaying, is_deprecated=True)

    @method
    def metric_meter(self) -> MetricMeter:
        """Return the metric meter. Replays do not record metrics again."""
        return MetricMeter(self._run.meter(), lambda: self._run.is_replaying)

    @method
    def uuid(self) -> str:
        """Return a random UUID (version 4), the same on every replay."""
        return self._run.randomness.uuid()

    @method
    def uuid7(self) -> str:
        """Return a UUID of version 7, the same on every replay. Such ids sort by the time of the workflow task."""
        random = self._run.randomness.numbers()
        milliseconds = self._run.activation.milliseconds & 0xFFFF_FFFF_FFFF
        high, low = random.getrandbits(12), random.getrandbits(62)
        return str(UUID(int=(milliseconds << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low))
