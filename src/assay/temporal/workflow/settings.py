"""Settings that the runs of a worker share, and the definitions of its workflows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from temporalio.common import VersioningBehavior

from assay.temporal.data import payloads
from assay.temporal.telemetry.reporter import Reporter
from assay.temporal.workflow.sandbox.copy_cache import CopyCache
from assay.temporal.workflow.sandbox.host import HASH_SEED
from assay.temporal.workflow.sandbox.limits import WorkflowLimits

if TYPE_CHECKING:
    from temporalio.common import MetricMeter


class Spans(Protocol):
    """Creates the tracing spans of runs."""

    def started(self, run: Any) -> None:
        """Called when a run starts."""

    def completed(self, run: Any, error: Exception | None) -> None:
        """Called when a run completes, or fails with an error."""

    def handled(self, run: Any, name: str, headers: Any) -> None:
        """Called on a signal or an update."""

    def queried(self, run: Any, name: str, headers: Any) -> None:
        """Called on a query."""

    def called(self, run: Any, name: str, headers: Any) -> None:
        """Called on an outgoing call; inject the trace context into its headers."""

    def continued(self, run: Any, headers: Any) -> None:
        """Called on continue-as-new; inject the trace context into the headers of the next run."""

    def called_nexus(self, run: Any, name: str, headers: Any) -> None:
        """Called on an outgoing Nexus call; inject the trace context into its string headers."""


@dataclass
class Settings:
    """Settings of all runs of a worker.

    Attributes:
        libraries: Builtins: their modules, and whether they are plain functions.
        limits: Resource limits of a run.
        namespace: Namespace.
        task_queue: Task queue.
        payload_limit: Maximum size of a payload that the server accepts, in bytes.
        local_activities: Names of the activities that the worker has; None allows any name.
        parts: Additional parts of the private Lua side, for tools such as the debugger.
        prints_in_replay: Whether runs print and log during replay, too.
        hides_failures: Whether the codec encrypts messages and stack traces of failures, too.
        no_eager_activities: Whether to disable eager activity execution.
        spans: Creates the tracing spans of runs; None without tracing.
        copy_cache: Cached copies of runs, for queries and validators.
        meter: Returns the metric meter of a workflow type; None without metrics.
        reporter: Reports the events of runs.
        hash_seed: Seed of Lua's hash tables. The behavior of a run must not depend on it.
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
    copy_cache: CopyCache = field(default_factory=CopyCache)
    meter: Callable[[str], MetricMeter] | None = None
    reporter: Reporter = field(default_factory=Reporter)
    hash_seed: int = HASH_SEED


@dataclass(frozen=True)
class Definition:
    """A registered workflow.

    Attributes:
        name: Workflow type; None for the dynamic workflow, which handles all types that are not registered.
        code: Snapshot of the workflow function.
        versioning: Worker versioning behavior.
        suspend: Whether an uncaught error only fails the workflow task, which keeps the run open.
    """

    name: str | None
    code: bytes
    versioning: VersioningBehavior = VersioningBehavior.UNSPECIFIED
    suspend: bool = False
