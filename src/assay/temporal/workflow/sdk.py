"""The seam to the SDK: its worker hands activations to our runs through its public `WorkflowRunner`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.common import RawValue
from temporalio.converter import StorageDriverStoreContext
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails
from temporalio.workflow import Info

from assay.temporal.workflow.runs import Runs
from assay.temporal.workflow.settings import Definition


class LuaWorkflowRunner(UnsandboxedWorkflowRunner):
    """Makes the SDK's instances of our runs."""

    def __init__(self, runs: Runs) -> None:
        super().__init__()
        self._runs = runs

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Make an instance."""
        return _Instance(self._runs, det.info)


class _Instance(WorkflowInstance):
    def __init__(self, runs: Runs, info: Info) -> None:
        self._runs = runs
        self._info = info

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return self._runs.activate(act)

    def get_serialization_context(self, command_info: Any) -> None:
        return None

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return StorageDriverStoreContext(target=None)

    def get_info(self) -> Info:
        return self._info


def workflow_classes(definitions: Iterable[Definition]) -> list[type]:
    """Return a class for each workflow, which the SDK wants to have and never runs."""
    return [_workflow_class(definition) for definition in definitions]


def _workflow_class(definition: Definition) -> type:
    async def run(self: Any, *arguments: Any) -> None:
        raise NotImplementedError

    async def run_any(self: Any, arguments: Any) -> None:
        raise NotImplementedError

    function = run if definition.name is not None else run_any
    function.__qualname__ = f"LuaWorkflow.{function.__name__}"
    del function.__annotations__["self"]
    if definition.name is None:
        function.__annotations__["arguments"] = Sequence[RawValue]
    cls = type("LuaWorkflow", (), {"__qualname__": "LuaWorkflow", "run": workflow.run(function)})
    versioning = definition.versioning
    if definition.name is None:
        return workflow.defn(dynamic=True, sandboxed=False, versioning_behavior=versioning)(cls)
    return workflow.defn(name=definition.name, sandboxed=False, versioning_behavior=versioning)(cls)
