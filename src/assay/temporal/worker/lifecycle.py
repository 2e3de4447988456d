"""Log lines about the start and the end of a worker."""

from __future__ import annotations

from typing import Any

from assay import events
from assay.temporal.connection.configuration import Settings
from assay.temporal.telemetry.reporter import Reporter
from assay.temporal.worker.options import WorkerOptions
from assay.version import __version__


def report_start(reporter: Reporter, options: WorkerOptions, settings: Settings, build_id: str) -> None:
    """Report that a worker polls."""
    workflows, activities, services = options.all_workflows(), options.all_activities(), options.nexus_services
    counts = [_count(len(workflows), "workflow", "workflows"), _count(len(activities), "activity", "activities")]
    if services:
        counts.append(_count(len(services), "Nexus service", "Nexus services"))
    version, fields = f"build id {build_id}", dict[str, Any](build_id=build_id)
    if options.deployment is not None:
        version += f" of deployment '{options.deployment.name}'"
        fields["deployment"] = options.deployment.name
    reporter.report(
        events.WORKER_STARTED,
        f"worker started on task queue '{options.task_queue}': {', '.join(counts)}; {version}; "
        f"namespace '{settings.namespace}' at {settings.address}",
        address=settings.address,
        workflows=len(workflows),
        activities=len(activities),
        nexus_services=len(services),
        assay_version=__version__,
        **fields,
    )


def report_drain(reporter: Reporter, options: WorkerOptions, running: int) -> None:
    """Report that a worker has stopped polling while `running` activities run."""
    activities = _count(running, "activity is", "activities are") if running else "no activities are"
    limit = f", to be cancelled after {options.graceful_shutdown_timeout:g} s" if running else ""
    text = f"worker draining on task queue '{options.task_queue}': {activities} running{limit}"
    reporter.report(events.WORKER_DRAINING, text, activities=running)


def report_end(reporter: Reporter, options: WorkerOptions) -> None:
    """Report that a worker has ended."""
    reporter.report(events.WORKER_STOPPED, f"worker stopped on task queue '{options.task_queue}'")


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number} {singular if number == 1 else plural}"
