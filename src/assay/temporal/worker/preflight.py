"""Checks before the first poll: the server must accept the worker's namespace and task queue."""

from __future__ import annotations

from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.service import RPCError, RPCStatusCode, ServiceClient

from assay.errors import BuiltinError, ErrorObject
from assay.temporal.connection.errors import server_message
from assay.temporal.core.bridge import CoreWorker
from assay.temporal.core.protos import NamespaceInfo
from assay.temporal.data import payloads

_CALL_TIMEOUT = timedelta(seconds=10)


async def check_task_queue(service: ServiceClient, namespace: str, task_queue: str) -> None:
    """Raise BuiltinError for a task queue that the server rejects, ErrorObject for a missing namespace.

    Core would retry rejected polls for a minute without logging anything.
    """
    error = await probe(service, namespace, task_queue)
    if error is None:
        return
    if error.status == RPCStatusCode.INVALID_ARGUMENT:
        raise BuiltinError(f"bad option 'task_queue' (rejected by the server: {error.message})")
    if error.status == RPCStatusCode.NOT_FOUND:
        text = f"temporal.worker: namespace '{namespace}' not found at {service.config.target_host}"
        raise ErrorObject(text, kind="not_found")


async def probe(service: ServiceClient, namespace: str, task_queue: str) -> RPCError | None:
    """Describe the task queue, which needs the same rights as polling it. Returns the error if the call fails."""
    request = DescribeTaskQueueRequest(
        namespace=namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    try:
        await service.workflow_service.describe_task_queue(request, timeout=_CALL_TIMEOUT)
    except RPCError as error:
        return error
    return None


async def payload_limit(worker: CoreWorker, namespace: str) -> int:
    """Validate the namespace; returns its maximum payload size in bytes. Raises ErrorObject."""
    try:
        info = NamespaceInfo.FromString(await worker.validate())
    except RuntimeError as error:
        text = str(error)
        if "NotFound" in text:
            raise ErrorObject(f"temporal.worker: namespace '{namespace}' not found", kind="not_found") from error
        raise ErrorObject(f"temporal.worker: {server_message(text) or text}", kind="rpc") from error
    return info.limits.blob_size_limit_error or payloads.USUAL_LIMIT
