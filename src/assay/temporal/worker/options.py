"""Options of a worker and their validation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from temporalio.common import VersioningBehavior

from assay.errors import BuiltinError
from assay.lua.function import LuaFunction
from assay.lua.values import Name, Seconds
from assay.temporal.connection.options import ConnectionOptions
from assay.temporal.telemetry import listen_address
from assay.temporal.telemetry.runtime import MetricsOptions
from assay.temporal.worker.activities import ActivityEntry
from assay.temporal.worker.nexus import WorkflowOperation
from assay.temporal.worker.tuning import MAX_COUNT, PollerOptions, TunerOptions
from assay.temporal.workflow.ctx.activities import SIDE_EFFECT_ACTIVITY
from assay.temporal.workflow.sandbox.limits import WorkflowLimits


@dataclass(kw_only=True)
class DeploymentOptions:
    """Deployment version of a worker. The server routes new runs to the current version of the deployment.

    Attributes:
        name: The deployment name, which all versions share.
        build_id: The version, such as a commit, a tag or an image.
        versioning: "pinned": a run stays on the version that started it. "auto_upgrade": a run moves to the current
            version, which must be compatible with its history.
    """

    name: Name
    build_id: Name
    versioning: Literal["pinned", "auto_upgrade"] = "pinned"


@dataclass(kw_only=True)
class WorkflowEntry:
    """A workflow with its own options.

    Attributes:
        run: The function. It is called with `ctx` and the input and returns the result.
        versioning: Overrides `deployment.versioning` for this workflow.
        on_workflow_error: Overrides the worker's `on_workflow_error` for this workflow.
    """

    run: LuaFunction
    versioning: Literal["pinned", "auto_upgrade"] | None = None
    on_workflow_error: Literal["fail", "suspend"] | None = None

    @property
    def behavior(self) -> VersioningBehavior:
        """The SDK's enum member for `versioning`."""
        return VersioningBehavior[(self.versioning or "unspecified").upper()]


ALL_OTHERS = "all others"
"""Display name of the dynamic workflow or activity."""


@dataclass(kw_only=True)
class WorkerOptions(ConnectionOptions):
    """Options of a worker.

    Attributes:
        task_queue: The task queue to poll.
        activities: Activities by name: a function, or a table with the function and its options. The function is
            called with the input and returns the result.
        workflows: Workflows by type: a function, or a table with the function and its options. The function is called
            with `ctx` and the input and returns the result.
        dynamic_activity: The fallback for activities that are not in `activities`: a function, or a table with the
            function and its options. `activity.info().activity_type` is the requested name.
        dynamic_workflow: The fallback for workflow types that are not in `workflows`: a function, or a table with the
            function and its options. `ctx:workflow_info().workflow_type` is the requested type.
        nexus_services: Nexus operations by service and name: a function, or a table that names a workflow. The function
            is called with the input and a table of `service`, `operation`, `request_id` and `headers`. It must return
            within a few seconds; use a workflow for operations that take longer. A Nexus endpoint on the server must
            target the `task_queue`.
        max_concurrent_activities: Maximum number of concurrent activities. Default: 100.
        max_concurrent_local_activities: Maximum number of concurrent local activities and side effects. Default:
            100.
        max_concurrent_nexus_tasks: Maximum number of concurrent Nexus tasks. Default: 100.
        max_concurrent_workflow_tasks: Maximum number of concurrent workflow tasks; at least 2. Default: 100.
        tuner: Resource-based concurrency limits, instead of the `max_concurrent_` options.
        workflow_task_poller_behavior: Number of concurrent polls for workflow tasks.
        activity_task_poller_behavior: Number of concurrent polls for activities.
        nonsticky_to_sticky_poll_ratio: The share of workflow task polls for the normal queue, which has the new runs,
            as opposed to the sticky queue of cached runs.
        sticky_queue_schedule_to_start_timeout: Seconds that a task of a cached run waits for this worker before any
            other worker may take it. Default: 10.
        max_heartbeat_throttle_interval: Maximum seconds between two heartbeats that are sent to the server. Default:
            60.
        default_heartbeat_throttle_interval: Seconds between two heartbeats of activities without a heartbeat timeout.
            Default: 30.
        no_remote_activities: Run only local activities.
        disable_eager_activity_execution: Disable eager activities, which the server returns with the response to a
            completed workflow task.
        max_cached_workflows: Maximum number of runs that are kept in memory between their tasks.
        max_activities_per_second: Maximum number of activities that this worker starts per second. Default: no limit.
        max_task_queue_activities_per_second: Maximum number of activities that the server dispatches per second for
            the task queue. Default: no limit.
        graceful_shutdown_timeout: Seconds that running activities have to complete during a shutdown before they are
            cancelled.
        deployment: The deployment version of the worker, for Worker Versioning. Without it the server may dispatch any
            run to any worker.
        build_id: The build id that the server shows for a worker without a `deployment`. Default: a hash of the
            workflow code.
        workflow_limits: CPU and memory limits of a run.
        on_workflow_error: "fail": an error raised by a workflow fails the workflow. "suspend": it only fails the
            workflow task, and the run continues once a fixed script is deployed.
        metrics: Export of the worker's metrics.
        health: The IP address and port of the HTTP endpoints `/livez` and `/readyz`; "0.0.0.0:8080" for all interfaces.
            Overridden by `assay run --health`. Workers of a process may share an address.
    """

    task_queue: Name
    activities: dict[str, LuaFunction | ActivityEntry] = field(default_factory=dict)
    workflows: dict[str, LuaFunction | WorkflowEntry] = field(default_factory=dict)
    dynamic_activity: LuaFunction | ActivityEntry | None = None
    dynamic_workflow: LuaFunction | WorkflowEntry | None = None
    nexus_services: dict[str, dict[str, LuaFunction | WorkflowOperation]] = field(default_factory=dict)
    max_concurrent_activities: int | None = None
    max_concurrent_local_activities: int | None = None
    max_concurrent_nexus_tasks: int | None = None
    max_concurrent_workflow_tasks: int | None = None
    tuner: TunerOptions | None = None
    workflow_task_poller_behavior: PollerOptions | None = None
    activity_task_poller_behavior: PollerOptions | None = None
    nonsticky_to_sticky_poll_ratio: float = 0.2
    sticky_queue_schedule_to_start_timeout: Seconds | None = None
    max_heartbeat_throttle_interval: Seconds | None = None
    default_heartbeat_throttle_interval: Seconds | None = None
    no_remote_activities: bool = False
    disable_eager_activity_execution: bool = False
    max_cached_workflows: int = 1000
    max_activities_per_second: float | None = None
    max_task_queue_activities_per_second: float | None = None
    graceful_shutdown_timeout: float = 10
    deployment: DeploymentOptions | None = None
    build_id: Name | None = None
    workflow_limits: WorkflowLimits | None = None
    on_workflow_error: Literal["fail", "suspend"] = "fail"
    metrics: MetricsOptions | None = None
    health: str | None = None

    def check(self) -> None:
        """Raise BuiltinError for invalid options."""
        if not (self.all_activities() or self.all_workflows() or self.nexus_services):
            raise BuiltinError("nothing to run: set 'workflows', 'activities' or 'nexus_services'")
        for option, (low, high) in _RANGES.items():
            value = getattr(self, option)
            if value is not None and not value >= low:
                raise BuiltinError(f"bad option '{option}' (at least {low:g} expected, got {value:g})")
            if value is not None and value > high:
                raise BuiltinError(f"bad option '{option}' (at most {high} expected, got {value:g})")
        if not 0 <= self.nonsticky_to_sticky_poll_ratio <= 1:
            got = f"{self.nonsticky_to_sticky_poll_ratio:g}"
            raise BuiltinError(f"bad option 'nonsticky_to_sticky_poll_ratio' (0 to 1 expected, got {got})")
        if self.tuner is not None:
            for option in _SLOT_OPTIONS:
                if getattr(self, option) is not None:
                    raise BuiltinError(f"bad option '{option}' (cannot be combined with 'tuner')")
        if self.build_id is not None and self.deployment is not None:
            raise BuiltinError("bad option 'build_id' (cannot be combined with 'deployment')")
        if self.health is not None:
            listen_address.parse("health", self.health)
        limits = self.workflow_limits or WorkflowLimits()
        if not 0.01 <= limits.cpu_seconds <= 8:
            got = f"{limits.cpu_seconds:g}"
            raise BuiltinError(f"bad option 'workflow_limits.cpu_seconds' (0.01 to 8 expected, got {got})")
        if not 4 <= limits.memory_mb <= 65536:
            got = f"{limits.memory_mb:g}"
            raise BuiltinError(f"bad option 'workflow_limits.memory_mb' (4 to 65536 expected, got {got})")
        _check_names("activities", self.activities)
        _check_names("workflows", self.workflows)
        _check_names("nexus_services", self.nexus_services)
        for service, operations in self.nexus_services.items():
            if not operations:
                raise BuiltinError(f"bad option 'nexus_services.{service}' (at least one operation expected)")
            _check_names(f"nexus_services.{service}", operations)
        for name, activity in self.all_activities():
            limit = activity.max_concurrent
            if limit is not None and limit < 1:
                option = "dynamic_activity" if name is None else f"activities.{name}"
                raise BuiltinError(f"bad option '{option}.max_concurrent' (at least 1 expected, got {limit})")
        for name, workflow in self.all_workflows():
            if workflow.versioning is not None and self.deployment is None:
                option = "dynamic_workflow" if name is None else f"workflows.{name}"
                raise BuiltinError(f"bad option '{option}.versioning' (requires the option 'deployment')")

    def all_activities(self) -> list[tuple[str | None, ActivityEntry]]:
        """Return the activities with their names; None is the name of the dynamic activity."""
        activities: list[tuple[str | None, LuaFunction | ActivityEntry]] = [*self.activities.items()]
        if self.dynamic_activity is not None:
            activities.append((None, self.dynamic_activity))
        return [
            (name, entry if isinstance(entry, ActivityEntry) else ActivityEntry(run=entry))
            for name, entry in activities
        ]

    def all_workflows(self) -> list[tuple[str | None, WorkflowEntry]]:
        """Return the workflows with their types; None is the type of the dynamic workflow."""
        workflows: list[tuple[str | None, LuaFunction | WorkflowEntry]] = [*self.workflows.items()]
        if self.dynamic_workflow is not None:
            workflows.append((None, self.dynamic_workflow))
        return [
            (name, entry if isinstance(entry, WorkflowEntry) else WorkflowEntry(run=entry)) for name, entry in workflows
        ]

    def titles(self) -> tuple[list[str], list[str]]:
        """Return the display names of the workflows and of the activities."""
        return (
            sorted(self.workflows) + [ALL_OTHERS] * (self.dynamic_workflow is not None),
            sorted(self.activities) + [ALL_OTHERS] * (self.dynamic_activity is not None),
        )


_SLOT_OPTIONS = (
    "max_concurrent_activities",
    "max_concurrent_local_activities",
    "max_concurrent_nexus_tasks",
    "max_concurrent_workflow_tasks",
)
_MAX_SECONDS = 315_576_000
"""Maximum of intervals, in seconds: ten years."""

_RANGES: dict[str, tuple[float, float]] = {
    "max_concurrent_activities": (1, MAX_COUNT),
    "max_concurrent_local_activities": (1, MAX_COUNT),
    "max_concurrent_nexus_tasks": (1, MAX_COUNT),
    "max_concurrent_workflow_tasks": (2, MAX_COUNT),
    "max_cached_workflows": (0, MAX_COUNT),
    "max_activities_per_second": (0.001, MAX_COUNT),
    "max_task_queue_activities_per_second": (0.001, MAX_COUNT),
    "graceful_shutdown_timeout": (0, _MAX_SECONDS),
    "sticky_queue_schedule_to_start_timeout": (0.001, _MAX_SECONDS),
    "max_heartbeat_throttle_interval": (0.001, _MAX_SECONDS),
    "default_heartbeat_throttle_interval": (0.001, _MAX_SECONDS),
}


def _check_names(group: str, names: Iterable[str]) -> None:
    keys = list(names)
    if keys and set(keys) == {str(index) for index in range(1, len(keys) + 1)}:
        raise BuiltinError(f"bad option '{group}' (a table of functions by name expected, got an array)")
    for name in keys:
        if not name or name.startswith("__temporal") or name == SIDE_EFFECT_ACTIVITY:
            raise BuiltinError(f"bad option '{group}' (the name '{name}' is reserved)")
