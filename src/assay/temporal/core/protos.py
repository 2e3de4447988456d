"""Protobuf messages that Core and the language side exchange."""

from temporalio.bridge.proto import ActivityHeartbeat, ActivityTaskCompletion, NamespaceInfo
from temporalio.bridge.proto.activity_result import ActivityResolution, DoBackoff
from temporalio.bridge.proto.activity_task import ActivityCancellationDetails, ActivityTask, Cancel, Start
from temporalio.bridge.proto.child_workflow import (
    ChildWorkflowCancellationType,
    ChildWorkflowResult,
    ParentClosePolicy,
    StartChildWorkflowExecutionFailedCause,
)
from temporalio.bridge.proto.nexus import (
    NexusOperationCancellationType,
    NexusOperationResult,
    NexusTask,
    NexusTaskCompletion,
)
from temporalio.bridge.proto.workflow_activation import (
    CancelWorkflow,
    DoUpdate,
    InitializeWorkflow,
    QueryWorkflow,
    RemoveFromCache,
    ResolveChildWorkflowExecutionStart,
    ResolveNexusOperationStart,
    SignalWorkflow,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_commands import ActivityCancellationType, WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

__all__ = [
    "ActivityCancellationDetails",
    "ActivityCancellationType",
    "ActivityHeartbeat",
    "ActivityResolution",
    "ActivityTask",
    "ActivityTaskCompletion",
    "Cancel",
    "CancelWorkflow",
    "ChildWorkflowCancellationType",
    "ChildWorkflowResult",
    "DoBackoff",
    "DoUpdate",
    "InitializeWorkflow",
    "NamespaceInfo",
    "NexusOperationCancellationType",
    "NexusOperationResult",
    "NexusTask",
    "NexusTaskCompletion",
    "ParentClosePolicy",
    "QueryWorkflow",
    "RemoveFromCache",
    "ResolveChildWorkflowExecutionStart",
    "ResolveNexusOperationStart",
    "SignalWorkflow",
    "Start",
    "StartChildWorkflowExecutionFailedCause",
    "WorkflowActivation",
    "WorkflowActivationCompletion",
    "WorkflowActivationJob",
    "WorkflowCommand",
]
