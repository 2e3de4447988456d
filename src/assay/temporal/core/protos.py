"""The messages between Core and this side."""

from temporalio.bridge.proto import ActivityHeartbeat, ActivityTaskCompletion, NamespaceInfo
from temporalio.bridge.proto.activity_task import ActivityCancellationDetails, ActivityTask, Cancel, Start
from temporalio.bridge.proto.nexus import NexusTask, NexusTaskCompletion
from temporalio.bridge.proto.workflow_activation import RemoveFromCache, WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

__all__ = [
    "ActivityCancellationDetails",
    "ActivityHeartbeat",
    "ActivityTask",
    "ActivityTaskCompletion",
    "Cancel",
    "NamespaceInfo",
    "NexusTask",
    "NexusTaskCompletion",
    "RemoveFromCache",
    "Start",
    "WorkflowActivation",
    "WorkflowActivationCompletion",
    "WorkflowCommand",
]
