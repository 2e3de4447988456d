"""The start of a simulated run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.common.v1 import Payload

from assay.simulation.seeds import randomness_seed
from assay.temporal.core.protos import WorkflowActivationJob


@dataclass(frozen=True)
class Start:
    """The start of a run.

    Attributes:
        workflow_id: Id of the workflow.
        run_id: Id of the run.
        workflow_type: Type of the workflow.
        task_queue: Its task queue.
        arguments: Its arguments.
        parent: Workflow id and run id of its parent.
        initiated: Number of the initiated event in the parent's history.
        continued: Id of the run that it continues.
        first_run_id: Id of the first run of the workflow; empty if this is the first.
        memo: Memo fields by name.
        search_attributes: Search attributes by name.
        headers: Headers by name.
        run_timeout: Timeout of the run, in seconds; 0 for no timeout.
        expires: Time of the execution timeout, in nanoseconds since 1970-01-01 UTC; 0 for no timeout.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    arguments: Sequence[Payload]
    parent: tuple[str, str] | None = None
    initiated: int = 0
    continued: str = ""
    first_run_id: str = ""
    memo: Mapping[str, Payload] = field(default_factory=dict)
    search_attributes: Mapping[str, Payload] = field(default_factory=dict)
    headers: Mapping[str, Payload] = field(default_factory=dict)
    run_timeout: float = 0
    expires: int = 0

    def job(self, at: int) -> WorkflowActivationJob:
        """Return the job that starts the run."""
        job = WorkflowActivationJob()
        target = job.initialize_workflow
        target.workflow_type, target.workflow_id = self.workflow_type, self.workflow_id
        target.arguments.extend(self.arguments)
        target.randomness_seed = randomness_seed(self.run_id)
        target.attempt = 1
        target.first_execution_run_id = self.first_run_id or self.run_id
        target.continued_from_execution_run_id = self.continued
        target.start_time.FromNanoseconds(at)
        if self.parent is not None:
            target.parent_workflow_info.workflow_id, target.parent_workflow_info.run_id = self.parent
            target.parent_workflow_info.namespace = "default"
        if self.run_timeout:
            target.workflow_run_timeout.FromNanoseconds(round(self.run_timeout * 1e9))
        for name, value in self.headers.items():
            target.headers[name].CopyFrom(value)
        for name, value in self.memo.items():
            target.memo.fields[name].CopyFrom(value)
        for name, value in self.search_attributes.items():
            target.search_attributes.indexed_fields[name].CopyFrom(value)
        return job

    def event(self) -> dict[str, Any]:
        """Return the fields of the started event."""
        fields: dict[str, Any] = {
            "workflow_type": {"name": self.workflow_type},
            "workflow_id": self.workflow_id,
            "task_queue": {"name": self.task_queue},
            "input": {"payloads": self.arguments},
            "original_execution_run_id": self.run_id,
            "first_execution_run_id": self.first_run_id or self.run_id,
            "continued_execution_run_id": self.continued,
            "attempt": 1,
            "memo": {"fields": self.memo},
            "search_attributes": {"indexed_fields": self.search_attributes},
            "header": {"fields": self.headers},
        }
        if self.parent is not None:
            fields["parent_workflow_namespace"] = "default"
            fields["parent_workflow_execution"] = {"workflow_id": self.parent[0], "run_id": self.parent[1]}
            fields["parent_initiated_event_id"] = self.initiated
        return fields
