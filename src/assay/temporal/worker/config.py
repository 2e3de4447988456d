"""Conversion of worker options to Core's configuration."""

from __future__ import annotations

from typing import Any

from temporalio.common import VersioningBehavior

from assay.temporal.core.config import DEFAULT_POLLERS, Build, Deployment, Pollers, TaskTypes, Version, WorkerConfig
from assay.temporal.worker import tuning
from assay.temporal.worker.options import DeploymentOptions, WorkerOptions

_INTERVALS = (
    "sticky_queue_schedule_to_start_timeout",
    "max_heartbeat_throttle_interval",
    "default_heartbeat_throttle_interval",
)


def task_types(options: WorkerOptions, *, takes_activities: bool) -> TaskTypes:
    """Return the task types that a worker polls for; `takes_activities`: activities even if none is registered."""
    has_workflows = bool(options.all_workflows())
    return TaskTypes(
        enable_workflows=has_workflows,
        enable_local_activities=has_workflows,  # side effects are local activities
        enable_remote_activities=(
            not options.no_remote_activities and (takes_activities or bool(options.all_activities()))
        ),
        enable_nexus=bool(options.nexus_services),
    )


def build_id(options: WorkerOptions, fingerprint: str) -> str:
    """Return the worker's build id; `fingerprint` is the default."""
    return options.deployment.build_id if options.deployment else options.build_id or fingerprint


def core_config(options: WorkerOptions, namespace: str, fingerprint: str, types: TaskTypes) -> WorkerConfig:
    """Return Core's configuration; `fingerprint` is the default build id. Raises BuiltinError."""
    intervals: dict[str, Any] = {
        f"{option}_millis": int(getattr(options, option) * 1000)
        for option in _INTERVALS
        if getattr(options, option) is not None
    }
    return WorkerConfig(
        namespace=namespace,
        task_queue=options.task_queue,
        versioning_strategy=(
            Build(build_id(options, fingerprint)) if options.deployment is None else _deployment(options.deployment)
        ),
        task_types=types,
        tuner=(
            tuning.fixed(
                options.max_concurrent_workflow_tasks,
                options.max_concurrent_activities,
                options.max_concurrent_local_activities,
                options.max_concurrent_nexus_tasks,
            )
            if options.tuner is None
            else options.tuner.to_core()
        ),
        max_cached_workflows=options.max_cached_workflows,
        workflow_task_poller_behavior=_pollers(options, "workflow_task_poller_behavior", 2),
        activity_task_poller_behavior=_pollers(options, "activity_task_poller_behavior", 1),
        nonsticky_to_sticky_poll_ratio=options.nonsticky_to_sticky_poll_ratio,
        max_activities_per_second=options.max_activities_per_second,
        max_task_queue_activities_per_second=options.max_task_queue_activities_per_second,
        graceful_shutdown_period_millis=int(options.graceful_shutdown_timeout * 1000),
        **intervals,
    )


def _deployment(options: DeploymentOptions) -> Deployment:
    return Deployment(
        version=Version(options.name, options.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior[options.versioning.upper()],
    )


def _pollers(options: WorkerOptions, option: str, min_maximum: int) -> Pollers:
    behavior = getattr(options, option)
    return DEFAULT_POLLERS if behavior is None else behavior.to_core(option, min_maximum)
