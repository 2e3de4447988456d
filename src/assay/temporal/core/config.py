"""Configuration of a Core worker. Core reads the attributes by name.

The dataclasses only get constructors: methods that `dataclass` generates are compiled whenever a worker starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(eq=False, repr=False)
class SimpleMaximum:
    """One poll per free slot, up to a maximum."""

    simple_maximum: int


@dataclass(eq=False, repr=False)
class Autoscaling:
    """Number of polls that follows the server's feedback."""

    minimum: int
    maximum: int
    initial: int


Pollers = SimpleMaximum | Autoscaling

DEFAULT_POLLERS = SimpleMaximum(5)


@dataclass(eq=False, repr=False)
class Version:
    """A deployment version."""

    deployment_name: str
    build_id: str


@dataclass(eq=False, repr=False)
class Deployment:
    """Worker Versioning; `default_versioning_behavior` is a value of `VersioningBehavior`."""

    version: Version
    use_worker_versioning: bool
    default_versioning_behavior: int


@dataclass(eq=False, repr=False)
class Build:
    """A build id without Worker Versioning."""

    build_id_no_versioning: str


@dataclass(eq=False, repr=False)
class Targets:
    """Target resource usage of a resource-based tuner, as shares of the machine."""

    target_memory_usage: float
    target_cpu_usage: float


@dataclass(eq=False, repr=False)
class ResourceSlots:
    """A number of slots that depends on resource usage."""

    minimum_slots: int
    maximum_slots: int
    ramp_throttle_ms: int
    tuner_config: Targets


@dataclass(eq=False, repr=False)
class FixedSlots:
    """A fixed number of slots."""

    num_slots: int


Slots = ResourceSlots | FixedSlots


@dataclass(eq=False, repr=False)
class Tuner:
    """Slot suppliers for each kind of tasks."""

    workflow_slot_supplier: Slots
    activity_slot_supplier: Slots
    local_activity_slot_supplier: Slots
    nexus_slot_supplier: Slots


@dataclass(eq=False, repr=False)
class TaskTypes:
    """Task types that a worker polls for."""

    enable_workflows: bool
    enable_local_activities: bool
    enable_remote_activities: bool
    enable_nexus: bool


@dataclass(kw_only=True, eq=False, repr=False)
class WorkerConfig:
    """Configuration of a Core worker."""

    namespace: str
    task_queue: str
    versioning_strategy: Build | Deployment
    task_types: TaskTypes
    tuner: Tuner
    max_cached_workflows: int
    workflow_task_poller_behavior: Pollers = DEFAULT_POLLERS
    activity_task_poller_behavior: Pollers = DEFAULT_POLLERS
    nexus_task_poller_behavior: Pollers = DEFAULT_POLLERS
    nonsticky_to_sticky_poll_ratio: float = 0.2
    sticky_queue_schedule_to_start_timeout_millis: int = 10_000
    max_heartbeat_throttle_interval_millis: int = 60_000
    default_heartbeat_throttle_interval_millis: int = 30_000
    max_activities_per_second: float | None = None
    max_task_queue_activities_per_second: float | None = None
    max_eager_activity_reservations_per_workflow_task: int = 3
    graceful_shutdown_period_millis: int = 0
    identity_override: str | None = None
    nondeterminism_as_workflow_fail: bool = False
    nondeterminism_as_workflow_fail_for_types: set[str] = field(default_factory=set)
    plugins: Sequence[str] = ()
    storage_drivers: set[str] = field(default_factory=set)
    disable_payload_error_limit: bool = False


def replay_config(task_queue: str) -> WorkerConfig:
    """Return the configuration of a replay worker: only workflows, one run at a time."""
    one = FixedSlots(1)
    return WorkerConfig(
        namespace="replay",
        task_queue=task_queue,
        versioning_strategy=Build("replay"),
        task_types=TaskTypes(
            enable_workflows=True, enable_local_activities=False, enable_remote_activities=False, enable_nexus=False
        ),
        tuner=Tuner(FixedSlots(2), one, one, one),
        max_cached_workflows=2,
        workflow_task_poller_behavior=SimpleMaximum(2),
        activity_task_poller_behavior=SimpleMaximum(1),
        nexus_task_poller_behavior=SimpleMaximum(1),
        nonsticky_to_sticky_poll_ratio=1,
        disable_payload_error_limit=True,
    )
