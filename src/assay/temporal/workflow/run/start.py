"""Metadata of a run: from its start, and from the current activation."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio.api.common.v1 import Payload

from assay.errors import BuiltinError
from assay.lua.values import Json
from assay.temporal.core.protos import InitializeWorkflow, WorkflowActivation
from assay.temporal.data import payloads


class Start:
    """The start of a run. Most of the message is kept serialized, because a worker caches many runs."""

    __slots__ = ("_message", "run_id", "started", "workflow_id", "workflow_type")

    def __init__(self, job: InitializeWorkflow, run_id: str) -> None:
        self.run_id = run_id
        self.workflow_id = job.workflow_id
        self.workflow_type = job.workflow_type
        self.started = job.start_time.ToNanoseconds() / 1e9
        rest = InitializeWorkflow()
        rest.CopyFrom(job)
        rest.ClearField("arguments")
        self._message = rest.SerializeToString()

    def message(self) -> InitializeWorkflow:
        """Return the message without its arguments."""
        return InitializeWorkflow.FromString(self._message)


class ActivationInfo:
    """The fields of an activation other than its jobs."""

    __slots__ = (
        "continue_as_new_suggested",
        "deployment",
        "history_length",
        "history_size",
        "is_replaying",
        "milliseconds",
        "now",
        "version_changed",
    )

    def __init__(self, act: WorkflowActivation) -> None:
        self.now = act.timestamp.ToNanoseconds() / 1e9
        self.milliseconds = act.timestamp.ToMilliseconds()
        self.is_replaying = act.is_replaying
        self.history_length = act.history_length
        self.history_size = act.history_size_bytes
        self.continue_as_new_suggested = act.continue_as_new_suggested
        self.version_changed = act.target_worker_deployment_version_changed
        version = act.deployment_version_for_current_task
        self.deployment = (version.deployment_name, version.build_id) if version.deployment_name else None


def read_arguments(arguments: Iterable[Payload]) -> list[Json]:
    """Return arguments as JSON, nil as null. Raises BuiltinError, which names the unreadable argument."""
    values = []
    for number, payload in enumerate(arguments, 1):
        try:
            value = payloads.read(payload)
        except BuiltinError as error:
            raise BuiltinError(f"argument {number}: {error}") from None
        values.append(Json(b"null") if value is None else value)
    return values
