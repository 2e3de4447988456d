"""Applies the jobs of an activation to a run: results of commands, timers, signals, updates and cancel requests.

`run.py` handles the other jobs: the start, patches, seeds and queries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from assay.temporal.core.protos import CancelWorkflow
from assay.temporal.workflow.run import messages
from assay.temporal.workflow.sandbox.errors import HostFailure


class Recipient(messages.Recipient, Protocol):
    """The run of an activation."""

    cancel_reason: str | None


def _cancel(run: Recipient, job: CancelWorkflow) -> None:
    def cancel() -> None:
        run.cancel_reason = job.reason
        run.host.progress += 1
        run.scope.cancel_again()

    run.enqueue(cancel)


def _fire_timer(run: Recipient, job: Any) -> None:
    timer = run.outbound.take("timer", job.seq)
    if timer is not None:  # otherwise it was stopped in this activation
        timer.fire()


def _resolve_activity(run: Recipient, job: Any) -> None:
    _pending(run, "activity", job.seq).resolved(job.result)


def _resolve_child_start(run: Recipient, job: Any) -> None:
    _pending(run, "child_workflow", job.seq).start_resolved(job)


def _resolve_child(run: Recipient, job: Any) -> None:
    _pending(run, "child_workflow", job.seq).resolved(job.result)


def _resolve_signal(run: Recipient, job: Any) -> None:
    _pending(run, "external_signal", job.seq).resolved(job.failure if job.HasField("failure") else None)


def _resolve_cancel_request(run: Recipient, job: Any) -> None:
    _pending(run, "external_cancel", job.seq).resolved(job.failure if job.HasField("failure") else None)


def _resolve_nexus_start(run: Recipient, job: Any) -> None:
    _pending(run, "nexus_operation", job.seq).start_resolved(job)


def _resolve_nexus(run: Recipient, job: Any) -> None:
    operation = run.outbound.find("nexus_operation", job.seq)
    if operation is not None:  # otherwise it ended when its cancel request was answered
        operation.resolved(job.result)


def _pending(run: Recipient, kind: str, seq: int) -> Any:
    entry = run.outbound.find(kind, seq)
    if entry is None:
        raise HostFailure(RuntimeError(f"no pending {kind.replace('_', ' ')} with the sequence number {seq}"))
    return entry


APPLY: dict[str, Callable[[Any, Any], None]] = {
    "cancel_workflow": _cancel,
    "do_update": messages.take_update,
    "fire_timer": _fire_timer,
    "resolve_activity": _resolve_activity,
    "resolve_child_workflow_execution": _resolve_child,
    "resolve_child_workflow_execution_start": _resolve_child_start,
    "resolve_nexus_operation": _resolve_nexus,
    "resolve_nexus_operation_start": _resolve_nexus_start,
    "resolve_request_cancel_external_workflow": _resolve_cancel_request,
    "resolve_signal_external_workflow": _resolve_signal,
    "signal_workflow": messages.take_signal_job,
}
"""Functions that apply a job to a run, by the variant of the job."""
