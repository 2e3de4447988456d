"""The option table of a worker, and what is checked before anything starts."""

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
    """Which version of which deployment a worker is. The server hands new runs to the version that is set as current.

    Attributes:
        name: The deployment: what is deployed together, whatever its version.
        build_id: The version: a commit, a tag, an image.
        versioning: "pinned": a run stays with the version that began it. "auto_upgrade": it continues with the current
            version, which must match its history.
    """

    name: Name
    build_id: Name
    versioning: Literal["pinned", "auto_upgrade"] = "pinned"


@dataclass(kw_only=True)
class WorkflowEntry:
    """A workflow with options of its own.

    Attributes:
        run: The function; it gets `ctx` and the input and returns the result.
        versioning: What `deployment.versioning` is for this one.
        on_workflow_error: What the worker's `on_workflow_error` is for this one.
    """

    run: LuaFunction
    versioning: Literal["pinned", "auto_upgrade"] | None = None
    on_workflow_error: Literal["fail", "suspend"] | None = None

    @property
    def behavior(self) -> VersioningBehavior:
        """The SDK's form of `versioning`."""
        return VersioningBehavior[(self.versioning or "unspecified").upper()]


ALL_OTHERS = "all others"
"""What tools show for a dynamic workflow or activity."""


@dataclass(kw_only=True)
class WorkerOptions(ConnectionOptions):
    """What a worker runs, and for which task queue.

    Attributes:
        task_queue: The queue that it polls.
        activities: Name → function, or a table with the function and a limit; it gets the input and returns the
            result.
        workflows: Name → function, or a table with the function and options of its own; it gets `ctx` and the input and
            returns the result.
        dynamic_activity: What runs for every activity that is not in `activities`: a function, or a table with the
            function and a limit. `activity.info().activity_type` is the name.
        dynamic_workflow: What runs for every workflow type that is not in `workflows`: a function, or a table with the
            function and options of its own. `ctx:workflow_info().workflow_type` is the type.
        nexus_services: Service → operation → function, or a table that names a workflow. A function gets the input and
            a table of `service`, `operation`, `request_id` and `headers`; it has a few seconds for its answer, so what
            takes longer is a workflow. A Nexus endpoint of the server routes to the `task_queue`.
        max_concurrent_activities: How many activities run at once.
        max_concurrent_local_activities: How many local activities and side effects run at once.
        max_concurrent_nexus_tasks: How many Nexus operations begin at once.
        max_concurrent_workflow_tasks: How many workflow tasks run at once; at least 2.
        tuner: As many tasks as the machine can handle, in place of the `max_concurrent_` numbers.
        workflow_task_poller_behavior: How many requests for workflow tasks are open at once.
        activity_task_poller_behavior: How many requests for activities are open at once.
        nonsticky_to_sticky_poll_ratio: The share of the requests for workflow tasks that ask for new runs; 0.2 when
            left out.
        sticky_queue_schedule_to_start_timeout: Seconds that a task of a run in the cache waits for this worker before
            any other may take it; 10 when left out.
        max_heartbeat_throttle_interval: The longest time in seconds between two heartbeats that reach the server; 60
            when left out.
        default_heartbeat_throttle_interval: The time in seconds for activities without a heartbeat timeout; 30 when
            left out.
        no_remote_activities: Take only local activities.
        disable_eager_activity_execution: Take no activity with the answer to a workflow task.
        max_cached_workflows: How many runs are kept in memory between their tasks.
        max_activities_per_second: How many activities this worker starts in a second.
        max_task_queue_activities_per_second: How many activities the server hands out for the queue in a second.
        graceful_shutdown_timeout: Seconds that running activities get to end before they are cancelled.
        deployment: Which version of which deployment the worker is, for Worker Versioning. Without it the server hands
            any run to any worker.
        build_id: What the server shows as the worker's build without a `deployment`; a hash of the workflows' code when
            left out.
        workflow_limits: What one run may use.
        on_workflow_error: "fail": an error that a workflow raises fails it; "suspend": it fails the workflow task
            only, and a fixed script carries the run on.
        metrics: Where the worker's metrics go.
        health: The IP address and the port at which `/livez` and `/readyz` answer over HTTP; "0.0.0.0:8080" for all
            interfaces. `--health` of `assay run` takes its place. Workers of a process may share an address.
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
        """Raise BuiltinError for what cannot be run."""
        if not (self.all_activities() or self.all_workflows() or self.nexus_services):
            raise BuiltinError("nothing to run: give 'workflows', 'activities' or 'nexus_services'")
        for option, (least, most) in _RANGES.items():
            value = getattr(self, option)
            if value is not None and not value >= least:
                raise BuiltinError(f"bad option '{option}' (at least {least:g} expected, got {value:g})")
            if value is not None and value > most:
                raise BuiltinError(f"bad option '{option}' (at most {most} expected, got {value:g})")
        if not 0 <= self.nonsticky_to_sticky_poll_ratio <= 1:
            got = f"{self.nonsticky_to_sticky_poll_ratio:g}"
            raise BuiltinError(f"bad option 'nonsticky_to_sticky_poll_ratio' (0 to 1 expected, got {got})")
        if self.tuner is not None:
            for option in _NUMBERS:
                if getattr(self, option) is not None:
                    raise BuiltinError(f"bad option '{option}' ('tuner' takes its place)")
        if self.build_id is not None and self.deployment is not None:
            raise BuiltinError("bad option 'build_id' ('deployment.build_id' takes its place)")
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
                raise BuiltinError(f"bad option '{option}.versioning' (it needs the option 'deployment')")

    def all_activities(self) -> list[tuple[str | None, ActivityEntry]]:
        """The activities and their names; None is the name of the dynamic one."""
        given: list[tuple[str | None, LuaFunction | ActivityEntry]] = [*self.activities.items()]
        if self.dynamic_activity is not None:
            given.append((None, self.dynamic_activity))
        return [
            (name, entry if isinstance(entry, ActivityEntry) else ActivityEntry(run=entry)) for name, entry in given
        ]

    def all_workflows(self) -> list[tuple[str | None, WorkflowEntry]]:
        """The workflows and their names; None is the name of the dynamic one."""
        given: list[tuple[str | None, LuaFunction | WorkflowEntry]] = [*self.workflows.items()]
        if self.dynamic_workflow is not None:
            given.append((None, self.dynamic_workflow))
        return [
            (name, entry if isinstance(entry, WorkflowEntry) else WorkflowEntry(run=entry)) for name, entry in given
        ]

    def titles(self) -> tuple[list[str], list[str]]:
        """Return what tools show of the workflows and of the activities."""
        return (
            sorted(self.workflows) + [ALL_OTHERS] * (self.dynamic_workflow is not None),
            sorted(self.activities) + [ALL_OTHERS] * (self.dynamic_activity is not None),
        )


_NUMBERS = (
    "max_concurrent_activities",
    "max_concurrent_local_activities",
    "max_concurrent_nexus_tasks",
    "max_concurrent_workflow_tasks",
)
_MAX_SECONDS = 315_576_000
"""Ten years: no interval of a worker is longer."""

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
    given = list(names)
    if given and set(given) == {str(index) for index in range(1, len(given) + 1)}:
        raise BuiltinError(f"bad option '{group}' (a table of functions by name expected, got an array)")
    for name in given:
        if not name or name.startswith("__temporal") or name == SIDE_EFFECT_ACTIVITY:
            raise BuiltinError(f"bad option '{group}' (the name '{name}' is reserved)")
