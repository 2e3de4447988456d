"""Checks of the server, its namespace and its clock."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from datetime import timedelta

from temporalio.api.enums.v1 import NamespaceState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    GetSystemInfoRequest,
    PollWorkflowTaskQueueRequest,
)
from temporalio.service import RPCError, RPCStatusCode, ServiceClient

from assay.cli.doctor.findings import Finding
from assay.temporal.connection.configuration import Settings

CALL_TIMEOUT = timedelta(seconds=10)
_POLL_TIMEOUT = timedelta(seconds=5)

CLOCK_WARNING = 2.0
"""Clock difference at which the check warns, in seconds."""

CLOCK_ERROR = 60.0
"""Clock difference at which the check fails, in seconds: certificates, tokens and timeouts break."""

_REMEDIES = {
    "access denied": "Check the API key (TEMPORAL_API_KEY) and its permissions.",
    "require TLS": "Turn TLS on (TEMPORAL_TLS=true, or the option 'tls'), or use the gRPC port (usually 7233).",
    "not speak TLS": "Turn TLS off: TEMPORAL_TLS=false, or the option 'tls'. An API key turns it on.",
    "not signed by a trusted authority": "Set TEMPORAL_TLS_SERVER_CA_CERT_PATH to the certificate of its authority.",
    "certificate has expired": "Renew the server's certificate.",
    "for another name": "Use the name in the certificate, or set TEMPORAL_TLS_SERVER_NAME to it.",
    "client certificate": "Set TEMPORAL_TLS_CLIENT_CERT_PATH and _KEY_PATH to the client's certificate and key.",
    "as a Temporal server": "Check that this is the gRPC port of the frontend (usually 7233), not the Web UI's.",
}


def unreachable(message: str, settings: Settings) -> Finding:
    """Return the finding for a failed connection."""
    reason = message.partition(f"{settings.address}: ")[2] or message
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in reason), "Check the server's log.")
    return Finding("server", "error", f"no connection: {reason}", remedy)


async def check_server(service: ServiceClient) -> Finding:
    """Check that the server reports its version."""
    try:
        info = await service.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=CALL_TIMEOUT)
    except RPCError as error:
        return Finding("server", "error", f"cannot get its version: {error.message}", "Check the server's log.")
    details = {"version": info.server_version}
    return Finding("server", "ok", f"Temporal {info.server_version or 'of an unknown version'}", details=details)


async def check_namespace(service: ServiceClient, name: str) -> Finding:
    """Check that the namespace exists."""
    request = DescribeNamespaceRequest(namespace=name)
    try:
        response = await service.workflow_service.describe_namespace(request, timeout=CALL_TIMEOUT)
    except RPCError as error:
        return _namespace_failure(name, error)
    days = response.config.workflow_execution_retention_ttl.ToTimedelta().days
    state = NamespaceState.Name(response.namespace_info.state).removeprefix("NAMESPACE_STATE_").lower()
    details = {"namespace": name, "state": state, "retention_days": days}
    text = f"'{name}' exists; closed workflows are kept for {days} day{'' if days == 1 else 's'}"
    if state != "registered":
        return Finding("namespace", "error", f"'{name}' is {state}", "Use another namespace.", details)
    return Finding("namespace", "ok", text, details=details)


def _namespace_failure(name: str, error: RPCError) -> Finding:
    if error.status == RPCStatusCode.NOT_FOUND:
        remedy = (
            f"Correct TEMPORAL_NAMESPACE (or the option), or create it: "
            f"temporal operator namespace create --namespace {name} --retention 3d"
        )
        return Finding("namespace", "error", f"the namespace '{name}' does not exist", remedy)
    if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED):
        remedy = "Check the API key or the client's certificate, and their permissions for this namespace."
        return Finding("namespace", "error", f"the caller may not use '{name}': {error.message}", remedy)
    return Finding("namespace", "error", f"'{name}': {error.message}", "Check the server's log.")


async def check_clock(service: ServiceClient, name: str) -> Finding:
    """Compare the clock of this machine with the server's.

    No call returns the server's time, but the server records when a task queue was last polled. So this polls a task
    queue with a random name once and reads that time.
    """
    queue = TaskQueue(name=f"assay-doctor-{uuid.uuid4()}")
    poll = PollWorkflowTaskQueueRequest(namespace=name, task_queue=queue, identity="assay doctor")
    describe = DescribeTaskQueueRequest(
        namespace=name, task_queue=queue, task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    )
    before = time.time()
    polling = asyncio.ensure_future(service.workflow_service.poll_workflow_task_queue(poll, timeout=_POLL_TIMEOUT))
    polled_at = None
    try:
        while polled_at is None and not polling.done():
            await asyncio.sleep(0.1)
            response = await service.workflow_service.describe_task_queue(describe, timeout=CALL_TIMEOUT)
            polled_at = next((item.last_access_time.ToMicroseconds() / 1e6 for item in response.pollers), None)
    except RPCError as error:
        return Finding("clock", "skipped", f"cannot get the server's time: {error.message}")
    finally:
        after = time.time()
        polling.cancel()
        with contextlib.suppress(asyncio.CancelledError, RPCError):
            await polling
    if polled_at is None:
        return Finding("clock", "skipped", "cannot get the server's time")
    return compare_clocks(polled_at, before, after)


def compare_clocks(server_time: float, before: float, after: float) -> Finding:
    """Compare a time of the server with the times of this machine before and after it, in seconds since 1970."""
    difference = server_time - before if server_time < before else max(0.0, server_time - after)
    details = {"seconds": round(difference, 3)}
    amount = f"{abs(difference):.1f} s {'behind' if difference > 0 else 'ahead of'} the server's"
    text = f"this machine's clock is {amount}"
    remedy = "Synchronize the clocks (NTP, chrony)."
    if abs(difference) >= CLOCK_ERROR:
        return Finding("clock", "error", f"{text}: certificates and tokens may be rejected", remedy, details)
    if abs(difference) >= CLOCK_WARNING:
        return Finding("clock", "warning", text, remedy, details)
    return Finding("clock", "ok", "this machine's clock agrees with the server's", details=details)
