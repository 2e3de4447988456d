"""What the runs of a worker share, and what a run is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from temporalio.common import VersioningBehavior

from assay.temporal import payloads
from assay.temporal.workflow.sandbox.host import WorkflowLimits

if TYPE_CHECKING:
    from temporalio.common import MetricMeter


class Tracer(Protocol):
    """Makes the spans of runs: what comes in is told by its kind, its name and its headers."""

    def received(self, run: Any, span: str, headers: Any) -> None:
        """Note the start of a run, a signal, an update or a query."""

    def ended(self, run: Any, span: str, error: str | None) -> None:
        """Note the end of a run."""

    def call(self, run: Any, span: str | None, headers: Any) -> None:
        """Note a call out of a run, and put its context into the headers."""

    def nexus_call(self, run: Any, span: str, headers: Any) -> None:
        """Note a Nexus call out of a run, and put its context into the text headers."""


@dataclass
class Settings:
    """What all runs of a worker share.

    Attributes:
        libraries: The builtins: their modules, and whether they are plain functions.
        limits: What one run may use.
        namespace: The namespace of the worker.
        task_queue: Its task queue.
        payload_limit: Bytes of the largest payload that the server takes.
        local_activities: The names that the worker has (None: whatever is asked for).
        parts: More parts of the private Lua side, for tools that look into runs.
        hides_failures: The codec encrypts messages and stack traces of failures too.
        no_eager_activities: Take no activity with the answer to a workflow task.
        tracer: Makes the spans of runs; None without traces.
        meter: Makes the meter of a workflow type; None when metrics go nowhere.
    """

    libraries: Mapping[str, tuple[str, bool]]
    limits: WorkflowLimits
    namespace: str = "default"
    task_queue: str = ""
    payload_limit: int = payloads.USUAL_LIMIT
    local_activities: Collection[str] | None = None
    parts: tuple[str, ...] = ()
    hides_failures: bool = False
    no_eager_activities: bool = False
    tracer: Tracer | None = None
    meter: Callable[[str], MetricMeter] | None = None


@dataclass(frozen=True)
class Definition:
    """A workflow that a worker registers.

    Attributes:
        name: Its type; None for the dynamic one, which runs for every type that is not registered.
        code: The snapshot of its function.
        versioning: Where its runs go when there are several versions.
        suspend: An error that the function raises keeps the run open.
    """

    name: str | None
    code: bytes
    versioning: VersioningBehavior = VersioningBehavior.UNSPECIFIED
    suspend: bool = False
