"""Workers that poll a task queue for workflow tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

if TYPE_CHECKING:
    from temporalio.client import Client


@dataclass(frozen=True)
class Poller:
    """A worker that polled in the last few minutes.

    Attributes:
        identity: Identity of the worker.
        last_access: Time of its last poll, in seconds since 1970-01-01 UTC.
    """

    identity: str
    last_access: float


async def workflow_pollers(client: Client, queue: str) -> list[Poller]:
    """Return the workers that polled `queue` in the last few minutes, the most recent first. Raises RPCError."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    response = await client.workflow_service.describe_task_queue(request)
    pollers = [Poller(item.identity, item.last_access_time.ToMicroseconds() / 1e6) for item in response.pollers]
    return sorted(pollers, key=lambda poller: -poller.last_access)
