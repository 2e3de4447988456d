"""Check of a task queue: its pollers and its backlog."""

from __future__ import annotations

import time
from typing import Any

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.service import RPCError, ServiceClient

from assay.cli.doctor.findings import Finding
from assay.cli.doctor.server import CALL_TIMEOUT
from assay.temporal.client.pollers import STOPPED_AFTER, deployment_of, without_current_version

_KINDS = {"workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY}
_MAX_SHOWN = 5


async def check_queue(service: ServiceClient, namespace: str, queue: str) -> Finding:
    """Check the pollers and the backlog of a task queue for workflow and activity tasks."""
    responses: dict[str, DescribeTaskQueueResponse] = {}
    for kind, number in _KINDS.items():
        request = DescribeTaskQueueRequest(
            namespace=namespace, task_queue=TaskQueue(name=queue), task_queue_type=number, report_stats=True
        )
        try:
            responses[kind] = await service.workflow_service.describe_task_queue(request, timeout=CALL_TIMEOUT)
        except RPCError as error:
            remedy = "Correct its name or the permissions of the caller."
            return Finding("task queues", "error", f"'{queue}': {error.message}", remedy, {"task_queue": queue})
    pollers = _pollers(responses)
    waiting = {kind: response.stats.approximate_backlog_count for kind, response in responses.items()}
    details = {"task_queue": queue, "pollers": pollers, "waiting": waiting}
    tasks = ", ".join(f"{count} {kind} tasks" for kind, count in waiting.items() if count)
    backlog = f"; backlog: {tasks}" if tasks else ""
    polling = [poller for poller in pollers if poller["seconds_ago"] < STOPPED_AFTER]
    if not polling:
        last = f"was last polled {pollers[0]['seconds_ago']:.0f} s ago" if pollers else "has no pollers"
        remedy = "Start a worker: assay run SCRIPT."
        return Finding("task queues", "error" if tasks else "warning", f"'{queue}' {last}{backlog}", remedy, details)
    lines = [_line(poller) for poller in polling[:_MAX_SHOWN]]
    if len(polling) > _MAX_SHOWN:
        lines.append(f"and {len(polling) - _MAX_SHOWN} more")
    workers = f"{len(polling)} worker{'' if len(polling) == 1 else 's'}"
    deployments = (poller["deployment"] for poller in polling if "workflow" in poller["kinds"])
    deployment = without_current_version(responses["workflow"], deployments)
    if deployment:
        text = f"'{queue}' is polled by {workers}, but '{deployment}' has no current version: workflows wait{backlog}"
        remedy = (
            f"temporal worker deployment set-current-version --deployment-name {deployment} "
            f"--build-id {polling[0]['version']} --yes"
        )
        return Finding("task queues", "error" if tasks else "warning", "\n".join([text, *lines]), remedy, details)
    text = "\n".join([f"'{queue}' is polled by {workers}{backlog}", *lines])
    return Finding("task queues", "ok", text, details=details)


def _pollers(responses: dict[str, DescribeTaskQueueResponse]) -> list[dict[str, Any]]:
    """Return the pollers, latest first: identity, kinds of tasks, time of the last poll, version and deployment."""
    by_identity: dict[str, dict[str, Any]] = {}
    for kind, response in responses.items():
        for item in response.pollers:
            ago = max(0.0, round(time.time() - item.last_access_time.ToMicroseconds() / 1e6, 1))
            version = item.deployment_options.build_id or item.worker_version_capabilities.build_id
            new = {
                "identity": item.identity,
                "kinds": [],
                "seconds_ago": ago,
                "version": version or None,
                "deployment": deployment_of(item),
            }
            known = by_identity.setdefault(item.identity, new)
            known["kinds"].append(kind)
            known["seconds_ago"] = min(known["seconds_ago"], ago)
    return sorted(by_identity.values(), key=lambda poller: (poller["seconds_ago"], poller["identity"]))


def _line(poller: dict[str, Any]) -> str:
    version = f", version {poller['version']}" if poller["version"] else ""
    return f"{poller['identity']}: {' and '.join(poller['kinds'])}, {poller['seconds_ago']:.0f} s ago{version}"
