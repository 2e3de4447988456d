"""What a server says to a worker before it polls: whether it takes the namespace and the task queue."""

from __future__ import annotations

import re
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.service import RPCError, RPCStatusCode, ServiceClient

from assay.errors import BuiltinError, ErrorObject
from assay.temporal.core.bridge import CoreWorker
from assay.temporal.core.protos import NamespaceInfo
from assay.temporal.data import payloads

_CALL_TIMEOUT = timedelta(seconds=10)
_MESSAGE = re.compile(r'message: "((?:[^"\\]|\\.)*)"')


async def check_task_queue(service: ServiceClient, namespace: str, task_queue: str) -> None:
    """Raise BuiltinError for a task queue that the server never accepts, ErrorObject for a missing namespace.

    A poll for such a queue would be refused without a word from Core for a minute.
    """
    refusal = await ask(service, namespace, task_queue)
    if refusal is None:
        return
    if refusal.status == RPCStatusCode.INVALID_ARGUMENT:
        raise BuiltinError(f"bad option 'task_queue' (the server refuses it: {refusal.message})")
    if refusal.status == RPCStatusCode.NOT_FOUND:
        raise ErrorObject(f"temporal.worker: namespace '{namespace}' not found", kind="not_found")


async def ask(service: ServiceClient, namespace: str, task_queue: str) -> RPCError | None:
    """Ask about a task queue, as a worker of it may; returns the server's refusal, or why it did not answer."""
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
    """Let Core look at the namespace; returns the bytes that a payload may have. Raises ErrorObject."""
    try:
        info = NamespaceInfo.FromString(await worker.validate())
    except RuntimeError as error:
        text = str(error)
        if "NotFound" in text:
            raise ErrorObject(f"temporal.worker: namespace '{namespace}' not found", kind="not_found") from error
        found = _MESSAGE.search(text)
        raise ErrorObject(f"temporal.worker: {found[1] if found else text}", kind="rpc") from error
    return info.limits.blob_size_limit_error or payloads.USUAL_LIMIT
