"""Check of the codec's keys: whether they are valid and decrypt the payloads on the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest, ListWorkflowExecutionsRequest
from temporalio.service import RPCError, ServiceClient

from assay.cli.doctor.findings import Finding
from assay.cli.doctor.server import CALL_TIMEOUT
from assay.errors import BuiltinError
from assay.temporal.data.codec import Codec, CodecOptions, key_id, make_codec
from assay.temporal.worker.codec import visit_payloads

_MAX_WORKFLOWS = 20
"""Number of recent workflows to examine, per task queue."""

_MAX_EVENTS = 50
"""Number of events to examine, from the start of each history."""


async def check_keys(
    service: ServiceClient, namespace: str, queues: Sequence[str], codec: CodecOptions | None, *, has_script: bool
) -> Finding:
    """Check the keys, and whether they decrypt the recent workflows of the task queues."""
    try:
        opener = make_codec(codec)
    except BuiltinError as error:
        return Finding("keys", "error", str(error), "Correct the key: Base64 of 16, 24 or 32 random bytes.")
    try:
        seen, unreadable = Counter[str](), Counter[str]()
        for queue in queues:
            found, failed = await _seen(service, namespace, queue, opener)
            seen += found
            unreadable += failed
    except RPCError as error:
        return Finding("keys", "skipped", f"cannot read the latest workflows: {error.message}")
    ids = [] if codec is None else list(codec.keys)
    details = {
        "keys": ids,
        "current": codec.current if codec else None,
        "seen": dict(seen),
        "unreadable": dict(unreadable),
    }
    missing = sorted(seen.keys() - set(ids))
    if missing:
        counts = _counts(seen, missing)
        text = f"workflows on the server were encrypted with unknown keys: {counts}"
        remedy = (
            "Add them to 'codec.keys' of the script: old keys are needed to read old payloads."
            if has_script
            else "Pass the script that has the keys: assay doctor SCRIPT."
        )
        return Finding("keys", "error" if has_script else "warning", text, remedy, details)
    if unreadable:
        text = f"workflows on the server were encrypted with other keys of the same ids: {_counts(unreadable)}"
        remedy = "Correct the key in 'codec.keys' of the script, and give each new key a new id."
        return Finding("keys", "error", text, remedy, details)
    if codec is None:
        return Finding("keys", "ok", "payloads are not encrypted", details=details)
    names = ", ".join(f"'{key}'" for key in ids)
    return Finding("keys", "ok", f"{names}; '{codec.current}' encrypts", details=details)


def _counts(seen: Counter[str], ids: Sequence[str] | None = None) -> str:
    return ", ".join(f"'{key}' ({seen[key]})" for key in ids or sorted(seen))


async def _seen(service: ServiceClient, namespace: str, queue: str, codec: Codec) -> tuple[Counter[str], Counter[str]]:
    """Count the recent workflows of a task queue by encryption key: all, and those not decrypted. Raises RPCError."""
    quoted = queue.replace("'", "''")
    request = ListWorkflowExecutionsRequest(
        namespace=namespace, page_size=_MAX_WORKFLOWS, query=f"TaskQueue = '{quoted}'"
    )
    listed = await service.workflow_service.list_workflow_executions(request, timeout=CALL_TIMEOUT)
    seen, unreadable = Counter[str](), Counter[str]()
    for item in listed.executions:
        history_request = GetWorkflowExecutionHistoryRequest(
            namespace=namespace, execution=item.execution, maximum_page_size=_MAX_EVENTS
        )
        response = await service.workflow_service.get_workflow_execution_history(history_request, timeout=CALL_TIMEOUT)
        ids: set[str] = set()
        failed: set[str] = set()

        def note(payload: Payload, ids: set[str] = ids, failed: set[str] = failed) -> None:
            key = key_id(payload)
            if key is not None:
                ids.add(key)
                try:
                    codec.open(payload)
                except BuiltinError:
                    failed.add(key)

        visit_payloads(response.history, note)
        seen.update(ids)
        unreadable.update(failed)
    return seen, unreadable
