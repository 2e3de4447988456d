"""Workers that poll a task queue for workflow tasks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse

if TYPE_CHECKING:
    from temporalio.client import Client

STOPPED_AFTER = 90.0
"""Seconds without a poll after which a worker counts as stopped. A poll takes up to a minute; the server lists pollers
for five minutes."""


@dataclass(frozen=True)
class Poller:
    """A worker that polled in the last few minutes.

    Attributes:
        identity: Identity of the worker.
        last_access: Time of its last poll, in seconds since 1970-01-01 UTC.
        deployment: Name of its deployment if it uses Worker Versioning; otherwise None.
        build_id: Its build id in that deployment.
    """

    identity: str
    last_access: float
    deployment: str | None = None
    build_id: str = ""


@dataclass(frozen=True)
class Pollers:
    """The workers that polled a task queue in the last few minutes.

    Attributes:
        workers: The workers, the most recent first.
        without_current: Deployment of the workers if none of its versions is current or ramping; otherwise None.
    """

    workers: list[Poller]
    without_current: str | None = None


async def workflow_pollers(client: Client, queue: str) -> Pollers:
    """Return the workers that polled `queue` in the last few minutes. Raises RPCError."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    response = await client.workflow_service.describe_task_queue(request)
    workers = sorted(map(_poller, response.pollers), key=lambda worker: -worker.last_access)
    return Pollers(workers, without_current_version(response, (worker.deployment for worker in workers)))


def without_current_version(response: DescribeTaskQueueResponse, deployments: Iterable[str | None]) -> str | None:
    """Return a deployment if the server gives workflows without a version to none of the workers; None otherwise.

    Args:
        response: Description of the task queue.
        deployments: Deployment of each worker, or None.
    """
    info = response.versioning_info
    if info.current_deployment_version.build_id or info.ramping_deployment_version.build_id:
        return None
    names = list(deployments)
    return names[0] if names and all(names) else None


def deployment_of(poller: PollerInfo) -> str | None:
    """Return the deployment of a poller that uses Worker Versioning."""
    options = poller.deployment_options
    is_versioned = options.worker_versioning_mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    return options.deployment_name if is_versioned else None


def _poller(item: PollerInfo) -> Poller:
    last_access = item.last_access_time.ToMicroseconds() / 1e6
    return Poller(item.identity, last_access, deployment_of(item), item.deployment_options.build_id)
