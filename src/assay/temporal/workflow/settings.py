"""What the runs of a worker share, and what a run is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from temporalio.common import VersioningBehavior

from assay.temporal.data import payloads
from assay.temporal.telemetry.reporter import Reporter
from assay.temporal.workflow.sandbox.copies import Copies
from assay.temporal.workflow.sandbox.host import HASH_SEED
from assay.temporal.workflow.sandbox.limits import WorkflowLimits

if TYPE_CHECKING:
    from temporalio.common import MetricMeter


class Spans(Protocol):
    """Makes the spans of runs."""

    def started(self, run: Any) -> None:
        """Note that a run has started."""

    def completed(self, run: Any, error: Exception | None) -> None:
        """Note that a run has completed, or failed with an error."""

    def handled(self, run: Any, name: str, headers: Any) -> None:
        """Note a signal or an update."""

    def queried(self, run: Any, name: str, headers: Any) -> None:
        """Note a query."""

    def called(self, run: Any, name: str, headers: Any) -> None:
        """Note a call out of a run, and let its headers carry the context."""

    def continued(self, run: Any, headers: Any) -> None:
        """Let the headers of the next run carry the context."""

    def called_nexus(self, run: Any, name: str, headers: Any) -> None:
        """Note a Nexus call out of a run, and let its text headers carry the context."""


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
        prints_in_replay: Show what runs print and log also while history is replayed.
        hides_failures: The codec encrypts messages and stack traces of failures too.
        no_eager_activities: Take no activity with the answer to a workflow task.
        spans: Makes the spans of runs; None without traces.
        copies: The copies of runs, for queries and validators.
        meter: Makes the meter of a workflow type; None when metrics go nowhere.
        reporter: Takes what has to be reported of runs.
        hash_seed: What the hash tables of runs begin with; no run may behave otherwise with another one.
    """

    libraries: Mapping[str, tuple[str, bool]]
    limits: WorkflowLimits
    namespace: str = "default"
    task_queue: str = ""
    payload_limit: int = payloads.USUAL_LIMIT
    local_activities: Collection[str] | None = None
    parts: tuple[str, ...] = ()
    prints_in_replay: bool = False
    hides_failures: bool = False
    no_eager_activities: bool = False
    spans: Spans | None = None
    copies: Copies = field(default_factory=Copies)
    meter: Callable[[str], MetricMeter] | None = None
    reporter: Reporter = field(default_factory=Reporter)
    hash_seed: int = HASH_SEED


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
